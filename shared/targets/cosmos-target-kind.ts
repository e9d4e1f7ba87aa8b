import type { Container } from '@azure/cosmos'
import { askCosmos } from '../cosmos-error.ts'
import type { SecretReference } from '../credentials/secret-reference.ts'
import type { DocumentKind } from '../document-kind.ts'
import { secretsNamed } from '../secrets-named.ts'
import { type FindProvider, parseTarget } from './target.ts'

export interface TargetKindOptions {
  readonly findProvider: FindProvider
  /** Why no document may name a secret; undefined where it may. */
  readonly problemOfSecret: (secret: SecretReference) => string | undefined
  readonly targets: Container
}

/** Targets: checked by the code that reads them; the secrets that they name are theirs to name, and their URIs their own. */
export function targetKind({ findProvider, problemOfSecret, targets }: TargetKindOptions): DocumentKind {
  return {
    container: 'targets',
    async check(document, name) {
      const parsed = parseTarget(document, findProvider)
      if ('problems' in parsed) return parsed.problems
      const { id, uri, settings, scopes } = parsed.target
      if (id !== name.id) return [{ path: ['id'], detail: 'expected what the URL says' }]
      const ofSecrets = secretsNamed([settings, scopes]).flatMap(secret => problemOfSecret(secret) ?? [])
      const others = uri === undefined ? [] : (await idsOfUri(targets, uri)).filter(other => other !== id)
      return [
        ...[...new Set(ofSecrets)].map(detail => ({ path: ['settings'], detail })),
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
