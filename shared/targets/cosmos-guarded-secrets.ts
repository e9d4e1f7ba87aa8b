import type { Container } from '@azure/cosmos'
import { askCosmos } from '../cosmos-error.ts'
import type { SecretReference } from '../credentials/secret-reference.ts'
import { secretsNamed } from '../secrets-named.ts'

/**
 * Reads the secrets of the targets that want a second person's approval, but for one target where one is named. Whoever
 * names one of those elsewhere could have it sent to a server of their own. Throws 503 `documents_unavailable`.
 */
export function guardedSecrets(targets: Container) {
  return async (exceptTarget: string | undefined): Promise<readonly SecretReference[]> => {
    const query = targets.items.query<Readonly<Record<string, unknown>>>({
      query: 'SELECT * FROM c WHERE c.requireApproval = true AND c.id != @except',
      parameters: [{ name: '@except', value: exceptTarget ?? '' }],
    })
    const { resources } = await askCosmos('documents_unavailable', () => query.fetchAll())
    return resources.flatMap(secretsNamed)
  }
}
