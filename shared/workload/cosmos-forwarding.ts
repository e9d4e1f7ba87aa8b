import type { Container } from '@azure/cosmos'
import { askCosmos } from '../cosmos-error.ts'

/** Records are looked through that far back, in milliseconds. */
const lookBack = 31 * 86_400_000

/**
 * Finds when an exchange took a client's address from an actor of an issuer, as an ISO 8601 instant: undefined where none
 * did in the last 31 days. So `manage` learns whom the settings of `exchange` call forwarders, whatever its own say. Throws
 * 503 `documents_unavailable`.
 */
export function forwardingSeen(decisions: Container, now: () => number) {
  return async (issuer: string): Promise<string | undefined> => {
    const found = decisions.items.query<{ readonly at: string }>({
      query:
        'SELECT TOP 1 c.at FROM c WHERE c.kind = "exchange" AND c.client.provenance = "forwarded" ' +
        'AND c.actor.issuer.id = @issuer AND c.at >= @since ORDER BY c.at DESC',
      parameters: [
        { name: '@issuer', value: issuer },
        { name: '@since', value: new Date(now() - lookBack).toISOString() },
      ],
    })
    return (await askCosmos('documents_unavailable', () => found.fetchAll())).resources[0]?.at
  }
}
