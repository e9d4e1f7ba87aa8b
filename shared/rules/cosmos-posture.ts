import type { Container } from '@azure/cosmos'
import { LRUCache } from 'lru-cache'
import { askCosmos } from '../cosmos-error.ts'
import type { Follower } from '../cosmos-follower.ts'
import type { Workload } from '../workload/workload.ts'
import type { Posture, PostureKind, Signal } from './facts.ts'
import { postureKey, readSignals, type SignalDocument, signalsOf } from './posture-signal.ts'

type Document = Readonly<Record<string, unknown>>
type Observed = readonly [PostureKind, Readonly<Record<string, Signal>>]

/** What was observed of the workloads that ask. */
export interface Signals {
  /**
   * Signals about a workload, of these kinds. Kinds of which its token does not tell are absent. Nobody has judged how
   * old they are. Throws 503 where they cannot be read, or could have changed since.
   */
  of(kinds: readonly PostureKind[], workload: Workload): Promise<Posture>
}

/** Observed or not, keys are remembered, 10,000 at most: a pod that asks again costs no read. */
const rememberedKeys = 10_000

/**
 * Posture in Cosmos DB: the signals about one pod, node and so on are read by one query over one partition when they
 * are first asked for, and read again when the change feed shows a change of that partition.
 */
export function cosmosPosture(
  container: Container,
  follow: (onChange: (document: Document) => void) => Follower,
): Signals {
  const remembered = new LRUCache<string, Promise<readonly SignalDocument[]>>({ max: rememberedKeys })
  const follower = follow(document => remembered.delete(String(document['of'])))

  function load(key: string): Promise<readonly SignalDocument[]> {
    const known = remembered.get(key)
    if (known) return known
    const loading = queryPartition(container, key).then(readSignals)
    remembered.set(key, loading)
    loading.catch(() => remembered.peek(key) === loading && remembered.delete(key))
    return loading
  }

  async function observed(kind: PostureKind, workload: Workload): Promise<readonly Observed[]> {
    const key = postureKey(kind, workload)
    return key === undefined ? [] : [[kind, signalsOf(kind, workload, await load(key))]]
  }

  return {
    async of(kinds, workload) {
      if (kinds.length === 0) return {}
      await follower.ensureFresh()
      const found = await Promise.all(kinds.map(kind => observed(kind, workload)))
      return Object.fromEntries(found.flat())
    },
  }
}

async function queryPartition(container: Container, key: string): Promise<readonly Document[]> {
  const query = container.items.query<Document>('SELECT * FROM c', { partitionKey: key })
  return (await askCosmos('documents_unavailable', () => query.fetchAll())).resources
}
