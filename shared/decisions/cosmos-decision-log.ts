import { randomUUID } from 'node:crypto'
import type { Container } from '@azure/cosmos'
import { askCosmos, cosmosStatus } from '../cosmos-error.ts'
import { ExchangeError } from '../errors.ts'
import type { DecisionEntry, DecisionLog, RecordPosition } from './record.ts'
import { fitTrace, withoutFacts } from './record-trace.ts'

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
/** What a trace may take of it; facts, rules and workload have bounds of their own that fit in the rest. */
const traceBytes = 12 * 1024

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
      const recordOf = (entry: DecisionEntry, trace: number) => {
        const record = { schema: 1, ...position, at, deployment, ...fitTrace(entry, trace) }
        const line = JSON.stringify(record)
        return { record, line, excess: Buffer.byteLength(line) - maxRecordBytes }
      }
      let written = recordOf(entry, traceBytes)
      // Where the rest takes more than its share, the trace gives way, and then the facts where nothing is released.
      if (written.excess > 0) written = recordOf(entry, traceBytes - written.excess)
      if (written.excess > 0) written = recordOf(withoutFacts(entry), 0)
      const { record, line, excess } = written
      if (excess > 0) throw new ExchangeError('server_error', 'record_too_large')
      await askCosmos('record_unavailable', () => createOnce(container, record))
      print(line)
      return position
    },
  }
}

/**
 * A connection that breaks leaves open whether the record was written, and the SDK does not send a write again. The same
 * record may be sent twice: nobody else writes under its id, so a conflict says that it is there.
 */
async function createOnce(container: Container, record: object): Promise<void> {
  try {
    await container.items.create(record)
  } catch (error) {
    if (cosmosStatus(error) !== undefined) throw error
    await container.items.create(record).catch(again => {
      if (cosmosStatus(again) !== 409) throw again
    })
  }
}
