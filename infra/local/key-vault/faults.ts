import { setTimeout as delay } from 'node:timers/promises'
import type { JsonAnswer } from '../json-listener.ts'
import { failure } from './answers.ts'

/** Something that goes wrong on demand. */
export interface Fault {
  /** The secret or key it happens to; every one where none is named. */
  readonly name?: string
  /** What is answered instead; without it the request is only late. */
  readonly status?: 429 | 500 | 503
  /** The error's text, where another than the usual one is wanted. */
  readonly message?: string
  /** Seconds, for `Retry-After`. */
  readonly retryAfter?: number
  /** How many requests meet it; every request until `clear` where not said. */
  readonly times?: number
  readonly delayMs?: number
}

/** Faults for tests. The newest that fits a request is the one it meets; the unauthenticated request that the SDK begins with meets none. */
export interface Faults {
  inject(fault: Fault): void
  clear(): void
}

/** What the vault asks before it answers: the fault's answer, or undefined where all is well. */
export type MeetFault = (name: string) => Promise<JsonAnswer | undefined>

const codes = { 429: 'Throttled', 500: 'InternalServerError', 503: 'ServiceUnavailable' } as const
const messages = {
  429: 'Request was not processed because too many requests were received. Reason: VaultRequestTypeLimitReached',
  500: 'An unexpected error occurred while processing the request.',
  503: 'The service is unavailable.',
} as const

export function createFaults(): { readonly faults: Faults; readonly meet: MeetFault } {
  let pending: { readonly fault: Fault; left: number }[] = []
  const faults: Faults = {
    inject: fault => pending.unshift({ fault, left: fault.times ?? Number.POSITIVE_INFINITY }),
    clear: () => {
      pending = []
    },
  }
  return {
    faults,
    async meet(name) {
      const met = pending.find(({ fault, left }) => left > 0 && (fault.name ?? name) === name)
      if (!met) return undefined
      met.left -= 1
      if (met.fault.delayMs) await delay(met.fault.delayMs, undefined, { ref: false })
      return answerOf(met.fault)
    },
  }
}

function answerOf({ status, message, retryAfter }: Fault): JsonAnswer | undefined {
  if (!status) return undefined
  const headers = retryAfter === undefined ? {} : { 'retry-after': String(retryAfter) }
  return failure(status, codes[status], message ?? messages[status], { headers })
}
