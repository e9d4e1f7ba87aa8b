import type { Container } from '@azure/cosmos'
import { askCosmos } from '../cosmos-error.ts'
import type { Lease } from './lease.ts'
import { locationOf } from './lease-states.ts'

/** What tells where the account of a lease was. */
type Row = Pick<Lease, 'target' | 'provider' | 'settings' | 'location' | 'deployment' | 'account'>

/** A server on which leases that were revoked had their accounts, and what the names of those begin with. */
export interface RevokedSite extends Pick<Lease, 'target' | 'provider' | 'settings'> {
  readonly prefix: string
}

const [pageSize, pagesOfSearch] = [500, 20]
const query =
  'SELECT c.target, c.provider, c.settings, c.location, c.deployment, c.account FROM c WHERE c.state = "revoked"'

/**
 * Finds the sites of the leases that were revoked within their retention, each once in a search. One search reads ten
 * thousand leases at most, and the next goes on behind them. Throws 503 `lease_unavailable`.
 */
export function revokedSites(container: Container): () => AsyncIterable<RevokedSite> {
  let reached: string | undefined

  return async function* search() {
    const seen = new Set<string>()
    const start = reached === undefined ? {} : { continuationToken: reached }
    // Cosmos DB may not know the place any more: where it fails, the next search begins at the start.
    reached = undefined
    const pages = container.items.query<Row>(query, { maxItemCount: pageSize, ...start })
    for (let read = 0; read < pagesOfSearch && pages.hasMoreResults(); read++) {
      const { resources, continuationToken } = await askCosmos('lease_unavailable', () => pages.fetchNext())
      for (const row of resources ?? []) {
        const prefix = prefixOf(row)
        const key = JSON.stringify([row.location ?? locationOf(row), prefix])
        if (prefix === undefined || seen.has(key)) continue
        seen.add(key)
        yield { target: row.target, provider: row.provider, settings: row.settings, prefix }
      }
      reached = continuationToken
    }
  }
}

/** Every template names the deployment after its first word. */
function prefixOf({ account, deployment }: Row): string | undefined {
  const named = `_${deployment}_`
  const at = account.indexOf(named)
  return at < 0 ? undefined : account.slice(0, at + named.length)
}
