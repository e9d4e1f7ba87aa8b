import type { Container } from '@azure/cosmos'
import { LRUCache } from 'lru-cache'
import { askCosmos } from '../cosmos-error.ts'
import type { Follower } from '../cosmos-follower.ts'
import { type Stored, tombstone, withoutSystemProperties } from '../document.ts'
import { compileRules, mergeRulesets, type Ruleset } from './ruleset.ts'

type Document = Readonly<Record<string, unknown>>

/** The rules that bear on a target. */
export interface Rules {
  /** Throws 503 where they cannot be read, or could be too old. */
  of(target: string): Promise<Ruleset>
}

/** The partition of guardrails, which bear on every target. */
const everyTarget = '*'

/**
 * Rules in Cosmos DB: a target's rules are read by one query over one partition when the target is first asked for,
 * compiled once, and read again when the change feed shows a change of that partition.
 */
export function cosmosRules(container: Container, follow: (onChange: (document: Document) => void) => Follower): Rules {
  const partitions = new LRUCache<string, Promise<Ruleset>>({ max: 10_000 })
  const merged = new LRUCache<string, Promise<Ruleset>>({ max: 10_000 })
  const follower = follow(document => forget(String(document['target'])))

  function forget(partition: string): void {
    partitions.delete(partition)
    if (partition === everyTarget) merged.clear()
    else merged.delete(partition)
  }

  function remember(cache: typeof merged, key: string, load: () => Promise<Ruleset>): Promise<Ruleset> {
    const known = cache.get(key)
    if (known) return known
    const loading = load()
    cache.set(key, loading)
    loading.catch(() => cache.peek(key) === loading && cache.delete(key))
    return loading
  }

  const partition = (target: string) => remember(partitions, target, () => readPartition(container, target))

  return {
    async of(target) {
      await follower.ensureFresh()
      return remember(merged, target, async () =>
        mergeRulesets(...(await Promise.all([partition(target), partition(everyTarget)]))),
      )
    },
  }
}

async function readPartition(container: Container, target: string): Promise<Ruleset> {
  return compileRules(await queryPartition(container, target))
}

async function queryPartition(container: Container, target: string): Promise<readonly Stored<unknown>[]> {
  const query = container.items.query<Document>('SELECT * FROM c', { partitionKey: target })
  const { resources } = await askCosmos('documents_unavailable', () => query.fetchAll())
  return resources
    .filter(document => !tombstone.safeParse(document).success)
    .map(document => ({ content: withoutSystemProperties(document), version: String(document['_etag']) }))
}
