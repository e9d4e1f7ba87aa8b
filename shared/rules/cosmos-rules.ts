import type { Container } from '@azure/cosmos'
import { LRUCache } from 'lru-cache'
import { askCosmos } from '../cosmos-error.ts'
import type { Follower } from '../cosmos-follower.ts'
import { type Stored, tombstone, withoutSystemProperties } from '../document.ts'
import type { Calendars } from './calendar.ts'
import { compileRules, type RulePartition, type Ruleset } from './ruleset.ts'

type Document = Readonly<Record<string, unknown>>

/** The rules that bear on a target. */
export interface Rules {
  /** Throws 503 where they cannot be read, or could be too old. */
  of(target: string): Promise<Ruleset>
}

/** The partition of guardrails, which bear on every target. */
const everyTarget = '*'

export interface RulesOptions {
  readonly container: Container
  readonly follow: (onChange: (document: Document) => void) => Follower
  /** The calendars that time windows name, as they are now. */
  readonly calendars: () => Promise<Calendars>
}

/**
 * Rules in Cosmos DB: a target's rules are read by one query over one partition when the target is first asked for,
 * compiled once, and read again when the change feed shows a change of that partition.
 */
export function cosmosRules({ container, follow, calendars }: RulesOptions): Rules {
  const partitions = new LRUCache<string, Promise<RulePartition>>({ max: 10_000 })
  const follower = follow(document => void partitions.delete(String(document['target'])))

  function partition(target: string): Promise<RulePartition> {
    const known = partitions.get(target)
    if (known) return known
    const loading = queryPartition(container, target).then(compileRules)
    partitions.set(target, loading)
    loading.catch(() => partitions.peek(target) === loading && partitions.delete(target))
    return loading
  }

  return {
    async of(target) {
      await follower.ensureFresh()
      const [own, guardrails, current] = await Promise.all([partition(target), partition(everyTarget), calendars()])
      return { own, guardrails, calendars: current }
    },
  }
}

/** How many rules are read where no partition is named. */
const readAtMost = 2_000

/** Rules as they are stored. `complete`: those are all of them. */
export interface StoredRules {
  readonly rules: readonly Stored<unknown>[]
  readonly complete: boolean
}

/** The stored rules of a partition; where none is named, of all of them, the first 2,000. */
export async function storedRules(container: Container, target?: string): Promise<StoredRules> {
  if (target !== undefined) return { rules: await queryPartition(container, target), complete: true }
  const pages = container.items.query<Document>('SELECT * FROM c WHERE NOT IS_DEFINED(c.deleted)', {
    maxItemCount: 500,
  })
  const read: Document[] = []
  while (pages.hasMoreResults() && read.length <= readAtMost) {
    const { resources } = await askCosmos('documents_unavailable', () => pages.fetchNext())
    read.push(...(resources ?? []))
  }
  const complete = !pages.hasMoreResults() && read.length <= readAtMost
  return { rules: withoutTombstones(read.slice(0, readAtMost)), complete }
}

async function queryPartition(container: Container, target: string): Promise<readonly Stored<unknown>[]> {
  const query = container.items.query<Document>('SELECT * FROM c', { partitionKey: target })
  const { resources } = await askCosmos('documents_unavailable', () => query.fetchAll())
  return withoutTombstones(resources)
}

function withoutTombstones(documents: readonly Document[]): readonly Stored<unknown>[] {
  return documents
    .filter(document => !tombstone.safeParse(document).success)
    .map(document => ({ content: withoutSystemProperties(document), version: String(document['_etag']) }))
}
