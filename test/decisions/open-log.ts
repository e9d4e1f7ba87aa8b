import { randomUUID } from 'node:crypto'
import type { Container } from '@azure/cosmos'
import { containers } from '../../infra/local/containers.ts'
import type { ContainerDefinition } from '../../infra/local/cosmos/server.ts'
import { cosmosDecisionLog } from '../../shared/decisions/cosmos-decision-log.ts'
import type { DecisionLogOptions, OpenDecisionLog } from '../../shared/decisions/decision-log.ts'
import type { StandIn } from '../conformance/cosmos/stand-in.ts'

/** The containers of the log, as infrastructure code makes them. */
export const logContainers: readonly ContainerDefinition[] = containers.filter(({ id }) =>
  ['decisions', 'streams'].includes(id),
)

/** A log on a stand-in, by a client of its own, and what was sent and printed. */
export interface LogUnderTest extends OpenDecisionLog {
  /** No other log's: tells its documents from those of others on the same stand-in. */
  readonly deployment: string
  /** The container as this log's client sees it. */
  readonly decisions: Container
  readonly streams: Container
  readonly printed: string[]
  /** How many records each batch held that was sent, attempts again included. */
  readonly batches: { readonly stream: string; readonly records: number }[]
  /** How many batches of one stream, and of all, were under way at once at the most. */
  readonly atOnce: { ofOneStream: number; ofAll: number }
}

/** As patient as the gateway's own, unless a test waits for what cannot be settled to be given up. */
export function openLog(standIn: StandIn, options: Partial<DecisionLogOptions> = {}): LogUnderTest {
  const database = standIn.database('token-of-gateway', { maxRetryAttemptCount: 0 })
  const decisions = database.container('decisions')
  const streams = database.container('streams')
  const { deployment = randomUUID() } = options
  const printed: string[] = []
  const observed = observeBatches(decisions)
  const log = cosmosDecisionLog({
    decisions,
    streams,
    deployment,
    retention: 400 * 86_400_000,
    now: Date.now,
    monotonic: () => performance.now(),
    print: lines => void printed.push(...lines.split('\n')),
    ...options,
  })
  return { ...log, deployment, decisions, streams, printed, ...observed }
}

function observeBatches({ items }: Container): Pick<LogUnderTest, 'batches' | 'atOnce'> {
  const batches: { stream: string; records: number }[] = []
  const atOnce = { ofOneStream: 0, ofAll: 0 }
  const underWay: string[] = []
  const send = items.batch.bind(items)
  items.batch = async (operations, stream, options) => {
    const name = String(stream)
    if (operations[0]?.operationType === 'Create') batches.push({ stream: name, records: operations.length })
    underWay.push(name)
    atOnce.ofAll = Math.max(atOnce.ofAll, underWay.length)
    atOnce.ofOneStream = Math.max(atOnce.ofOneStream, underWay.filter(each => each === name).length)
    try {
      return await send(operations, stream, options)
    } finally {
      underWay.splice(underWay.indexOf(name), 1)
    }
  }
  return { batches, atOnce }
}
