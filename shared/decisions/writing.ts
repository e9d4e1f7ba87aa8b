import { ExchangeError, unavailable } from '../errors.ts'
import type { RecordPosition } from './record.ts'
import type { Settlement } from './settle.ts'
import type { Unchained } from './stream.ts'

/** One writer's record, and the writer, who waits. */
export interface Writing extends Unchained {
  /** Bytes of the record, all of it. */
  readonly bytes: number
  /** When its writer's time is over, by the monotonic clock. */
  readonly until: number
  resolve(position: RecordPosition): void
  reject(error: ExchangeError): void
}

/** Tells a writer that its record is not to be relied on. One that is too large for Cosmos DB would be so again. */
export function refuse(writing: Writing, settlement: Exclude<Settlement, { kind: 'committed' }>): void {
  const { detail } = settlement
  const tooLarge = settlement.kind === 'refused' && settlement.status === 413
  writing.reject(
    tooLarge
      ? new ExchangeError('server_error', 'record_too_large', { detail })
      : unavailable('record_unavailable', { detail }),
  )
}

/** Is this about what one record is, so that the others of its batch may go without it? */
export function isOfOneRecord(settlement: Settlement): boolean {
  return settlement.kind === 'refused' && (settlement.status === 400 || settlement.status === 413)
}
