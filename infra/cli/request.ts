import type { Change } from './changes.ts'
import type { Asking } from './gateway.ts'

/** What becomes of the leases of a rule that is removed. */
export type Leases = 'keep' | 'revoke'

/** The request that makes a change, and fails where the document is not as it was when the two were compared. */
export function requestOf(change: Change, leases?: Leases): Asking & { readonly path: string } {
  const path = `/manage/${change.path}`
  switch (change.action) {
    case 'create':
      return { path, method: 'PUT', headers: { 'if-none-match': '*' }, body: change.content }
    case 'replace':
      return { path, method: 'PUT', headers: { 'if-match': change.etag }, body: change.content }
    case 'remove': {
      const query = change.kind.plural === 'rules' && leases !== undefined ? `?leases=${leases}` : ''
      return { path: `${path}${query}`, method: 'DELETE', headers: { 'if-match': change.etag } }
    }
  }
}
