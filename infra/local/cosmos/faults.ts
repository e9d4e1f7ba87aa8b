import { setTimeout as delay } from 'node:timers/promises'
import type { DocumentAction } from './authorization.ts'
import { CosmosError } from './cosmos-error.ts'

/** What goes wrong, and with which requests. Only requests for documents are touched, never reads of metadata. */
export interface Fault {
  /** Absent: every container. */
  readonly container?: string
  /** Absent: every action. A batch matches with the action of any of its operations. */
  readonly action?: DocumentAction
  /** How many requests it meets; absent: all until it is removed. */
  readonly times?: number
  /** Answer with this error. */
  readonly status?: number
  /** The error's text, where one is wanted. */
  readonly message?: string
  readonly subStatus?: number
  readonly retryAfterMs?: number
  /** Wait first; alone, it is only slow. */
  readonly delayMs?: number
  /** `before` (the default): nothing is done. `after-commit`: the write is applied, and the answer is lost. */
  readonly when?: 'before' | 'after-commit'
  /** End the connection instead of answering. */
  readonly reset?: boolean
  /** What goes wrong from then on: added when this has met the last of its `times`. */
  readonly next?: Fault
}

/** Faults on demand, for whoever tests what happens when Cosmos DB fails. */
export interface Faults {
  /** Returns what removes it again. The first that matches a request is the one that it meets. */
  add(fault: Fault): () => void
  clear(): void
}

/** The server's side of {@link Faults}. */
export interface FaultPlan extends Faults {
  take(container: string, actions: ReadonlySet<DocumentAction>): Fault | undefined
}

/** Thrown to end a connection without an answer. */
export class ConnectionReset extends Error {}

export function planFaults(): FaultPlan {
  const left = new Map<Fault, number>()
  function add(fault: Fault): () => void {
    const entry = { ...fault }
    left.set(entry, fault.times ?? Number.POSITIVE_INFINITY)
    return () => void left.delete(entry)
  }
  return {
    add,
    clear: () => left.clear(),
    take(container, actions) {
      for (const [fault, times] of left) {
        if (!matches(fault, container, actions)) continue
        if (times > 1) left.set(fault, times - 1)
        else left.delete(fault)
        if (times === 1 && fault.next) add(fault.next)
        return fault
      }
      return undefined
    },
  }
}

/** Does what the fault says, if its time is `when`. Throws unless it is only slow. */
export async function suffer(fault: Fault | undefined, when: 'before' | 'after-commit'): Promise<void> {
  if (!fault || (fault.when ?? 'before') !== when) return
  if (fault.delayMs) await delay(fault.delayMs)
  if (fault.reset) throw new ConnectionReset()
  if (fault.status === undefined) return
  throw new CosmosError(fault.status, fault.message ?? 'A fault was asked for', {
    ...(fault.subStatus !== undefined && { substatus: fault.subStatus }),
    ...(fault.retryAfterMs !== undefined && { retryAfterMs: fault.retryAfterMs }),
  })
}

function matches(fault: Fault, container: string, actions: ReadonlySet<DocumentAction>): boolean {
  return (
    (fault.container === undefined || fault.container === container) &&
    (fault.action === undefined || actions.has(fault.action))
  )
}
