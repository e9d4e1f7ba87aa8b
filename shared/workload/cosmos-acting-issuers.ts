import type { Container } from '@azure/cosmos'
import { askCosmos } from '../cosmos-error.ts'
import { withoutSystemProperties } from '../document.ts'

const toldAtMost = 100

/** Reads the ids of the issuers whose tokens may need an actor of that one: some of them. Throws 503 `documents_unavailable`. */
export function issuersActedForBy(issuers: Container) {
  return async (actor: string): Promise<readonly string[]> => {
    const found = await actedFor<{ readonly id: string }>(issuers, `TOP ${toldAtMost} c.id`, actor)
    return found.map(({ id }) => id)
  }
}

/** Reads the documents of all of them, as they are stored. Throws 503 `documents_unavailable`. */
export function documentsActedForBy(issuers: Container) {
  return async (actor: string): Promise<readonly unknown[]> => {
    return (await actedFor<object>(issuers, '*', actor)).map(withoutSystemProperties)
  }
}

async function actedFor<Row>(issuers: Container, selected: string, actor: string): Promise<readonly Row[]> {
  const query = {
    query: `SELECT ${selected} FROM c WHERE ARRAY_CONTAINS(c.actors, @actor, true)`,
    parameters: [{ name: '@actor', value: { issuer: actor } }],
  }
  return (await askCosmos('documents_unavailable', () => issuers.items.query<Row>(query).fetchAll())).resources
}
