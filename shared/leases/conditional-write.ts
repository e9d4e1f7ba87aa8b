import { askCosmos, cosmosStatus } from '../cosmos-error.ts'

/**
 * What a write of a lease or a place came to. Undefined where Cosmos DB answers one of these statuses: somebody else was
 * faster. Throws 503 `lease_unavailable` for every other failure.
 */
export function unless<T>(statuses: readonly number[], write: () => Promise<T>): Promise<T | undefined> {
  return askCosmos('lease_unavailable', () =>
    write().catch(error => {
      const status = cosmosStatus(error)
      if (status !== undefined && statuses.includes(status)) return undefined
      throw error
    }),
  )
}
