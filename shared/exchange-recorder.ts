import type { DecisionLog, ExchangeEntry, RecordPosition } from './decisions/record.ts'
import { describeCause, toExchangeError } from './errors.ts'
import type { Refusal, Refused } from './exchange-refusal.ts'
import type { Trail } from './telemetry-exchange.ts'

/** What the exchange has learnt so far, for its record. */
export type Known = Omit<ExchangeEntry, 'kind' | 'outcome' | 'durationMs' | 'timings' | 'traceId'>

interface RecorderParts {
  readonly decisions: DecisionLog
  readonly now: () => number
  readonly trail: Trail
}

/** Writes what became of an exchange that begins now. */
export function recorder({ decisions, now, trail }: RecorderParts) {
  const startedAt = now()
  const entry = (known: Known, outcome: Pick<ExchangeEntry, 'outcome' | 'code' | 'reason' | 'detail'>) => {
    trail.enter('record')
    const { traceId, timings } = trail
    const watched = { durationMs: now() - startedAt, timings: timings(), ...(traceId !== undefined && { traceId }) }
    return decisions.write({ kind: 'exchange', ...known, ...outcome, ...watched })
  }
  return {
    allowed: (known: Known): Promise<RecordPosition> => entry(known, { outcome: 'allowed' }),
    async refusal(known: Known, { reason, detail, ...told }: Refusal): Promise<Refused> {
      trail.note({ outcome: 'denied', code: told.code, reason })
      await entry(known, { outcome: 'denied', code: told.code, reason, ...(detail && { detail }) })
      return { outcome: 'refused', ...told }
    },
    /** Nothing was released, so a log that is down does not change the answer: it says what failed first. */
    async failure(known: Known, error: unknown): Promise<void> {
      const { code, reason, detail, cause } = toExchangeError(error)
      if (reason === 'record_unavailable') return
      trail.note({ outcome: 'failed', code, reason })
      const described = { ...(cause !== undefined && describeCause(cause)), ...detail }
      await entry(known, { outcome: 'failed', code, reason, detail: described }).catch(() => undefined)
    },
  }
}
