import { isIPv4, isIPv6, SocketAddress } from 'node:net'
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

/** The ISO 3166-1 alpha-2 code of an address's country, where it is known. */
export type CountryOf = (address: string) => string | undefined

/** What the settings say of clients. */
export interface ClientSettings {
  readonly forwarders: readonly Forwarder[]
  readonly countryOf: CountryOf
}

/**
 * The client's address with its provenance and its country. A forwarded address counts only where the actor on this
 * very request may forward; then the peer is the proxy, and without a forwarded address nobody knows the client's.
 */
export function clientSeenBy(
  { peer, forwarded }: SeenClient,
  actor: Workload | undefined,
  { forwarders, countryOf }: ClientSettings,
): Client {
  const mayForward = forwarders.some(({ issuer, subject }) => actor?.issuer.id === issuer && actor.subject === subject)
  const address = addressOf(mayForward ? forwarded : peer)
  if (address === undefined) return { provenance: 'unknown' }
  const country = countryOf(address)
  return { address, provenance: mayForward ? 'forwarded' : 'direct', ...(country !== undefined && { country }) }
}

/**
 * An address without port, brackets and zone, in the one notation that rules and databases compare: IPv6 as RFC 5952
 * has it, IPv4 without IPv6 clothes (`::ffff:10.0.0.1`, `::ffff:a00:1`). Undefined where it is no address.
 */
export function addressOf(text = ''): string | undefined {
  const bare = /^\[(.+)\](:\d+)?$/.exec(text)?.[1] ?? /^([\d.]+)(:\d+)?$/.exec(text)?.[1] ?? text
  const address = bare.replace(/%.*$/, '')
  if (isIPv4(address)) return address
  if (!isIPv6(address)) return undefined
  return new SocketAddress({ address, family: 'ipv6' }).address.replace(/^::ffff:(?=\d+\.)/, '')
}
