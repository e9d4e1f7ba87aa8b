import type { Container } from '@azure/cosmos'
import { askCosmos } from '../cosmos-error.ts'
import type { DocumentKind } from '../document-kind.ts'
import { type FindProvider, parseTarget } from './target.ts'

export interface TargetKindOptions {
  readonly findProvider: FindProvider
  /** The aliases of the vaults that the settings name. */
  readonly vaults: ReadonlySet<string>
  readonly targets: Container
}

/** Targets: checked by the code that reads them; the vaults that they name are the settings', and their URIs their own. */
export function targetKind({ findProvider, vaults, targets }: TargetKindOptions): DocumentKind {
  return {
    container: 'targets',
    async check(document, name) {
      const parsed = parseTarget(document, findProvider)
      if ('problems' in parsed) return parsed.problems
      const { id, uri, settings, scopes } = parsed.target
      if (id !== name.id) return [{ path: ['id'], detail: 'expected what the URL says' }]
      const unknown = vaultsIn([settings, scopes]).filter(vault => !vaults.has(vault))
      const others = uri === undefined ? [] : (await idsOfUri(targets, uri)).filter(other => other !== id)
      return [
        ...[...new Set(unknown)].map(vault => ({ path: ['settings'], detail: `no vault is called "${vault}"` })),
        // Two targets of one URI are found by none of their callers.
        ...(others.length > 0 ? [{ path: ['uri'], detail: `it is the URI of "${others[0]}"` }] : []),
      ]
    },
  }
}

async function idsOfUri(targets: Container, uri: string): Promise<readonly string[]> {
  const query = { query: 'SELECT c.id FROM c WHERE c.uri = @uri', parameters: [{ name: '@uri', value: uri }] }
  const found = targets.items.query<{ readonly id: string }>(query)
  return (await askCosmos('documents_unavailable', () => found.fetchAll())).resources.map(({ id }) => id)
}

/** The vaults of all secret references in settings that their provider has checked. */
function vaultsIn(value: unknown): readonly string[] {
  if (typeof value !== 'object' || value === null) return []
  if ('vault' in value && 'secret' in value && typeof value.vault === 'string') return [value.vault]
  return Object.values(value).flatMap(vaultsIn)
}
