import type { Container } from '@azure/cosmos'
import { askCosmos } from '../cosmos-error.ts'
import type { Forwarder } from './client-address.ts'

/** Records are looked through that far back, in milliseconds, where they are kept for as long. */
const lookBack = 31 * 86_400_000

/** Whether an issuer's actors say which address a client has. */
export type Forwarding =
  /** The settings here name one of them, or no exchange is known to have taken an address from any. */
  | { readonly kind: 'named' | 'unseen' }
  /** An exchange did, at an instant in ISO 8601, though the settings here name none: those of `exchange` are or were others. */
  | { readonly kind: 'seen'; readonly at: string }
  /** The records cannot be asked now. */
  | { readonly kind: 'unknown' }

export interface ForwardingOptions {
  readonly forwarders: readonly Forwarder[]
  readonly decisions: Container
  /** Wall clock, epoch milliseconds. */
  readonly now: () => number
}

/**
 * Tells it by these settings, and then by what exchanges did: so `manage` learns whom those of `exchange` call forwarders.
 * Never throws.
 */
export function forwardingOf({ forwarders, decisions, now }: ForwardingOptions) {
  /** Any such exchange will do: to find the latest, all of them would have to be looked at. */
  async function lookUp(issuer: string): Promise<Forwarding> {
    const found = decisions.items.query<{ readonly at: string }>({
      query:
        'SELECT TOP 1 c.at FROM c WHERE c.kind = "exchange" AND c.client.provenance = "forwarded" ' +
        'AND c.actor.issuer.id = @issuer AND c.at >= @since',
      parameters: [
        { name: '@issuer', value: issuer },
        { name: '@since', value: new Date(now() - lookBack).toISOString() },
      ],
    })
    const [seen] = (await askCosmos('documents_unavailable', () => found.fetchAll())).resources
    return seen ? { kind: 'seen', at: seen.at } : { kind: 'unseen' }
  }

  return async (issuer: string): Promise<Forwarding> => {
    if (forwarders.some(named => named.issuer === issuer)) return { kind: 'named' }
    return lookUp(issuer).catch(() => ({ kind: 'unknown' }))
  }
}
