import { isIP } from 'node:net'
import type { Client } from '../rules/facts.ts'
import type { Workload } from './workload.ts'

/** What the platform and the headers say of where a request came from, unjudged. */
export interface SeenClient {
  /** `client-ip`, which the App Service front end overwrites. */
  readonly peer: string | undefined
  /** `x-causeway-client-ip`, which anybody can write. */
  readonly forwarded: string | undefined
}

/** An actor whose word on the client's address counts, from the settings. */
export interface Forwarder {
  readonly issuer: string
  readonly subject: string
}

/**
 * The client's address with its provenance. A forwarded address counts only where the actor on this very request may
 * forward; then the peer is the proxy, and without a forwarded address nobody knows the client's.
 */
export function clientSeenBy(
  { peer, forwarded }: SeenClient,
  actor: Workload | undefined,
  forwarders: readonly Forwarder[],
): Client {
  const mayForward = forwarders.some(({ issuer, subject }) => actor?.issuer.id === issuer && actor.subject === subject)
  const address = addressOf(mayForward ? forwarded : peer)
  if (address === undefined) return { provenance: 'unknown' }
  return { address, provenance: mayForward ? 'forwarded' : 'direct' }
}

/** An address without port, brackets, zone, or an IPv4 address's IPv6 clothes. */
function addressOf(text = ''): string | undefined {
  const bare = /^\[(.+)\](:\d+)?$/.exec(text)?.[1] ?? /^([\d.]+)(:\d+)?$/.exec(text)?.[1] ?? text
  const address = bare.replace(/%.*$/, '').replace(/^::ffff:(?=\d+\.)/i, '')
  return isIP(address) === 0 ? undefined : address
}
