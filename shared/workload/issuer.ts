import { z } from 'zod'
import { documentId, labels } from '../document.ts'
import { duration } from '../duration.ts'

/** Signature algorithms that an issuer may allow. HMAC and `none` are not among them, so no document can allow them. */
const algorithm = z.enum(['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512'])

const issuerUrl = z.string().max(512).refine(isHttpsUrl, 'expected an https URL without query or fragment')

/** The Kubernetes checks that an operator may switch off, each by name. */
const relaxation = z.enum(['unbound', 'severalAudiences'])

/**
 * A trusted signer that an operator has registered. `issuerUrl` is compared with `iss` byte by byte: a trailing slash
 * or a letter's case makes it another issuer.
 */
export const issuerDocument = z.strictObject({
  schema: z.literal(1),
  id: documentId,
  issuerUrl,
  kind: z.enum(['aks', 'arc', 'kubernetes', 'entra']),
  labels: labels.default({}),
  audiences: z.array(z.string().min(1).max(256)).min(1).max(8),
  keys: z.strictObject({ discovery: z.literal(true) }).default({ discovery: true }),
  /** `private` lets the keys be fetched from private and loopback addresses: a cluster inside the network. */
  network: z.enum(['public', 'private']).default('public'),
  algorithms: z.array(algorithm).min(1).default(['RS256', 'ES256']),
  region: z.string().max(64).optional(),
  maxTokenAge: duration({ min: 'PT1M', max: 'PT24H' }).prefault('PT1H'),
  clockTolerance: duration({ min: 'PT0S', max: 'PT60S' }).prefault('PT30S'),
  keepClaims: z.array(z.string().min(1).max(128)).max(32).default([]),
  relax: z.array(relaxation).default([]),
  enabled: z.boolean().default(true),
})

/** A registered issuer. Durations are milliseconds. */
export type Issuer = z.output<typeof issuerDocument>

function isHttpsUrl(text: string): boolean {
  const url = URL.parse(text)
  return url?.protocol === 'https:' && url.search === '' && url.hash === '' && url.username === ''
}
