import type { Container } from '@azure/cosmos'
import { type BatchAnswer, outcomeOf, outcomeOfBatch } from './cosmos-outcome.ts'
import { type DecisionLogOptions, type OpenDecisionLog, openDecisionLog } from './decision-log.ts'
import type { Outcome, StreamStore } from './stream-store.ts'

export interface CosmosDecisionLogOptions extends DecisionLogOptions {
  /** Of a client that retries nothing by itself: what it would send again, this log must know of. */
  readonly decisions: Container
  readonly streams: Container
  /** Hears of how many records each batch is that is sent. Never throws. */
  readonly onBatch?: (records: number) => void
}

type StreamContainers = Pick<CosmosDecisionLogOptions, 'decisions' | 'streams' | 'onBatch'>

/**
 * The decision log in Cosmos DB: a batch is one transaction. The identity that writes may create and read, never replace
 * or delete.
 */
export function cosmosDecisionLog({ decisions, streams, ...options }: CosmosDecisionLogOptions): OpenDecisionLog {
  return openDecisionLog(cosmosStreams({ decisions, streams, ...options }), options)
}

function cosmosStreams({ decisions, streams, onBatch }: StreamContainers): StreamStore {
  return {
    register: (registration, abortSignal) =>
      attempt(async () => {
        await streams.items.create(registration, { abortSignal })
        return { kind: 'committed' }
      }),
    async readRegistration({ id, hour }, abortSignal) {
      const answer = await streams
        .item(id, hour)
        .read<object>({ abortSignal })
        .catch(() => undefined)
      return answer?.resource
    },
    commit: (records, abortSignal) =>
      attempt(async () => {
        onBatch?.(records.length)
        const operations = records.map(resourceBody => ({ operationType: 'Create' as const, resourceBody }))
        // What was sent need not come back.
        const options = { abortSignal, contentResponseOnWriteEnabled: false }
        return outcomeOfBatch(await decisions.items.batch(operations, records[0]?.stream, options))
      }),
    async read(stream, ids, abortSignal) {
      const operations = ids.map(id => ({ operationType: 'Read' as const, id }))
      const answer = await decisions.items.batch(operations, stream, { abortSignal }).catch(() => undefined)
      return answer && bodiesOf(answer)
    },
  }
}

async function attempt(ask: () => Promise<Outcome>): Promise<Outcome> {
  try {
    return await ask()
  } catch (error) {
    return outcomeOf(error)
  }
}

/** All or none: a batch of reads fails with the first that is not there. */
function bodiesOf({ code, result = [] }: BatchAnswer): readonly object[] | undefined {
  if (code !== 200) return undefined
  const bodies = result.map(({ resourceBody }) => resourceBody).filter(body => body !== undefined)
  return bodies.length === result.length ? bodies : undefined
}
