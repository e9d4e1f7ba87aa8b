import type { Container } from '@azure/cosmos'
import { LRUCache } from 'lru-cache'
import { askCosmos } from '../cosmos-error.ts'
import type { Follower } from '../cosmos-follower.ts'
import { documentId, problemText, tombstone, withoutSystemProperties } from '../document.ts'
import { type FindProvider, type OpenProvider, parseTarget, type Target } from './target.ts'

type Document = Readonly<Record<string, unknown>>
type Found = Target | UnreadableTarget | undefined

/** How a request names its target: `audience` is a target's id, `resource` its URI. */
export type TargetName = { readonly id: string } | { readonly uri: string }

/** Finds what a request asks for. */
export interface Targets {
  /**
   * The target of that name; undefined where there is none, or several of one URI. Throws 503 where it cannot be
   * read or could be too old.
   */
  find(name: TargetName): Promise<Target | UnreadableTarget | undefined>
}

/** A document that is no target: its workloads get 503 until it is mended. */
export interface UnreadableTarget {
  readonly id: string
  readonly problem: string
}

export interface TargetsOptions {
  readonly container: Container
  readonly follow: (onChange: (document: Document) => void) => Follower
  readonly findProvider: FindProvider
  readonly open: OpenProvider
}

/** Found and unfound names alike are remembered, 10,000 at most: asking at random costs one read a name. */
const rememberedNames = 10_000

/** Targets in Cosmos DB: read when first asked for, remembered until the change feed says otherwise. */
export function cosmosTargets({ container, follow, findProvider, open }: TargetsOptions): Targets {
  const remembered = new LRUCache<string, Promise<Found>>({ max: rememberedNames })
  const follower = follow(document => {
    remembered.delete(idKey(String(document['id'])))
    // The feed tells the new URI and not the old one.
    for (const key of remembered.keys()) if (key.startsWith('uri ')) remembered.delete(key)
  })

  function load(name: TargetName): Promise<Found> {
    const key = 'id' in name ? idKey(name.id) : `uri ${name.uri}`
    const known = remembered.get(key)
    if (known) return known
    const loading = read(container, name).then(document => (document ? asTarget(document) : undefined))
    remembered.set(key, loading)
    loading.catch(() => remembered.peek(key) === loading && remembered.delete(key))
    return loading
  }

  function asTarget(document: Document): Found {
    if (tombstone.safeParse(document).success) return undefined
    const parsed = parseTarget(withoutSystemProperties(document), findProvider)
    if ('target' in parsed) return { ...parsed.target, issuing: open(parsed.provider, parsed.target.settings) }
    return { id: String(document['id']), problem: parsed.problems.map(problemText)[0] ?? '' }
  }

  return {
    async find(name) {
      if ('id' in name && !documentId.safeParse(name.id).success) return undefined
      await follower.ensureFresh()
      return load(name)
    },
  }
}

function idKey(id: string): string {
  return `id ${id}`
}

async function read(container: Container, name: TargetName): Promise<Document | undefined> {
  if ('id' in name) {
    const item = container.item(name.id, name.id)
    return (await askCosmos('documents_unavailable', () => item.read<Document>())).resource
  }
  const query = { query: 'SELECT * FROM c WHERE c.uri = @uri', parameters: [{ name: '@uri', value: name.uri }] }
  const found = container.items.query<Document>(query)
  const { resources } = await askCosmos('documents_unavailable', () => found.fetchAll())
  return resources.length === 1 ? resources[0] : undefined
}
