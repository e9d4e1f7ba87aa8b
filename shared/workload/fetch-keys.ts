import { z } from 'zod'
import { metadataBase } from './entra-metadata.ts'
import type { FetchJson } from './https-json.ts'
import type { Issuer } from './issuer.ts'
import { importKeys, type KeysById } from './issuer-key.ts'

const discovery = z.object({ issuer: z.string(), jwks_uri: z.url() })
const keySet = z.object({ keys: z.array(z.looseObject({ kty: z.string() })).max(50) })

/** The keys that an issuer publishes now. Throws where they cannot be had, or are not acceptable. */
export async function fetchKeys(
  issuer: Issuer,
  fetchJson: FetchJson,
  previous: KeysById | undefined,
): Promise<KeysById> {
  const published = keySet.parse(await fetchJson(await locate(issuer, fetchJson), issuer.network))
  return importKeys(published.keys, issuer, previous)
}

/** Where an issuer's keys are: where its document says, else where its discovery document says, on its own host. */
async function locate(issuer: Issuer, fetchJson: FetchJson): Promise<URL> {
  const { keys, issuerUrl, network } = issuer
  if ('jwksUri' in keys) return new URL(keys.jwksUri)
  const base = metadataBase(issuer)
  const published = discovery.parse(await fetchJson(new URL(`${base}/.well-known/openid-configuration`), network))
  if (published.issuer !== issuerUrl) throw new Error('the discovery document names another issuer')
  const jwksUri = new URL(published.jwks_uri)
  if (jwksUri.host !== new URL(base).host) throw new Error('jwks_uri is on another host: name it in the document')
  return jwksUri
}
