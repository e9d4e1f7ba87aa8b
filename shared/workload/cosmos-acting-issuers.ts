import type { Container } from '@azure/cosmos'
import { askCosmos } from '../cosmos-error.ts'

const toldAtMost = 100

/** Reads the ids of the issuers whose tokens may need an actor of that one: some of them. Throws 503 `documents_unavailable`. */
export function issuersActedForBy(issuers: Container) {
  return async (actor: string): Promise<readonly string[]> => {
    const query = {
      query: `SELECT TOP ${toldAtMost} c.id FROM c WHERE ARRAY_CONTAINS(c.actors, @actor, true)`,
      parameters: [{ name: '@actor', value: { issuer: actor } }],
    }
    const found = issuers.items.query<{ readonly id: string }>(query)
    return (await askCosmos('documents_unavailable', () => found.fetchAll())).resources.map(({ id }) => id)
  }
}
