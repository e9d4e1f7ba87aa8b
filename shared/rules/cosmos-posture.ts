import type { Container } from '@azure/cosmos'
import { LRUCache } from 'lru-cache'
import { askCosmos } from '../cosmos-error.ts'
import type { Follower } from '../cosmos-follower.ts'
import type { Workload } from '../workload/workload.ts'
import type { Posture, SignalName } from './facts.ts'
import { type ObservedSignal, postureKey, postureOf, readSignal, type SignalDocument } from './posture-signal.ts'

type Document = Readonly<Record<string, unknown>>

/** What was observed of the workloads that ask. */
export interface Signals {
  /**
   * The signals of those names about a workload. What its token does not tell, nobody observed or has no room is absent.
   * Nobody has judged how old they are. Throws 503 where they cannot be read, or could have changed since.
   */
  of(asked: readonly SignalName[], workload: Workload): Promise<Posture>
}

/** Observed or not, signals are remembered, 10,000 at most: a pod that asks again costs no read. */
const remembered = 10_000
/** How many signals are read for one decision: far more than there is room for. */
const maxAsked = 64

/**
 * Posture in Cosmos DB: a signal about a pod, node and so on is read when it is first asked for, and read again when the
 * change feed shows a change of it. Signals that nobody asks for cost nothing, however many there are.
 */
export function cosmosPosture(
  container: Container,
  follow: (onChange: (document: Document) => void) => Follower,
): Signals {
  const known = new LRUCache<string, Promise<SignalDocument | 'none'>>({ max: remembered })
  const follower = follow(document => known.delete(placeOf(String(document['of']), String(document['id']))))

  function load(key: string, signal: string): Promise<SignalDocument | 'none'> {
    const place = placeOf(key, signal)
    const found = known.get(place)
    if (found) return found
    const loading = readDocument(container, key, signal).then(document => readSignal(document) ?? 'none')
    known.set(place, loading)
    loading.catch(() => known.peek(place) === loading && known.delete(place))
    return loading
  }

  async function observed({ of, signal }: SignalName, workload: Workload): Promise<readonly ObservedSignal[]> {
    const key = postureKey(of, workload)
    const document = key === undefined ? 'none' : await load(key, signal)
    return document === 'none' ? [] : [{ of, document }]
  }

  return {
    async of(asked, workload) {
      if (asked.length === 0) return {}
      await follower.ensureFresh()
      const found = await Promise.all(asked.slice(0, maxAsked).map(name => observed(name, workload)))
      return postureOf(found.flat(), workload)
    },
  }
}

function placeOf(key: string, signal: string): string {
  return `${signal} ${key}`
}

async function readDocument(container: Container, key: string, signal: string): Promise<Document | undefined> {
  return (await askCosmos('documents_unavailable', () => container.item(signal, key).read<Document>())).resource
}
