import { randomUUID } from 'node:crypto'
import type { Container } from '@azure/cosmos'
import { fromCosmos } from '../cosmos-error.ts'
import { ExchangeError, unavailable } from '../errors.ts'
import type { DecisionLog, RecordPosition } from './record.ts'
import { recordTrace } from './record-trace.ts'

export interface DecisionLogOptions {
  readonly container: Container
  readonly deployment: string
  /** Wall clock, epoch milliseconds. */
  readonly now: () => number
  /** The same record as one structured line, a convenience: Cosmos DB is the record. */
  readonly print: (line: string) => void
}

/** A record of more bytes than this is refused. */
const maxRecordBytes = 32 * 1024

/**
 * The decision log in Cosmos DB. A stream (the partition) is an hour of one process; a record's id is its sequence
 * number there. The identity that writes may create and read, never replace or delete.
 */
export function cosmosDecisionLog({ container, deployment, now, print }: DecisionLogOptions): DecisionLog {
  const boot = randomUUID()
  let hour = ''
  let sequence = 0

  function nextPosition(at: string): RecordPosition {
    // The hour never goes back, so neither do streams, whatever the wall clock does.
    if (at.slice(0, 13) > hour) [hour, sequence] = [at.slice(0, 13), 0]
    sequence += 1
    return { stream: `${hour}/${boot}/0`, id: String(sequence).padStart(12, '0') }
  }

  return {
    async write(entry) {
      const at = new Date(now()).toISOString()
      const position = nextPosition(at)
      const record = { schema: 1, ...position, at, deployment, ...recordTrace(entry) }
      const line = JSON.stringify(record)
      if (Buffer.byteLength(line) > maxRecordBytes) throw new ExchangeError('server_error', 'record_too_large')
      try {
        await container.items.create(record)
      } catch (cause) {
        throw unavailable('record_unavailable', { detail: fromCosmos(cause), cause })
      }
      print(line)
      return position
    },
  }
}
