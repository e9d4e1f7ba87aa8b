import { z } from 'zod'
import { secretReference } from '../credentials/secret-reference.ts'
import { documentId, labels } from '../document.ts'
import { duration } from '../duration.ts'

/** Signature algorithms that an issuer may allow. HMAC and `none` are not among them, so no document can allow them. */
export const signatureAlgorithms = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
] as const
const algorithm = z.enum(signatureAlgorithms)

const issuerUrl = z.string().max(512).refine(isHttpsUrl, 'expected an https URL without query or fragment')

/** The Kubernetes checks that an operator may switch off, each by name. */
const relaxation = z.enum(['unbound', 'severalAudiences'])

/** A public key as an issuer publishes it (RFC 7517). What is not public about a key is refused. */
const publicKey = z.strictObject({
  kty: z.enum(['RSA', 'EC']),
  kid: z.string().min(1).max(256),
  use: z.literal('sig').optional(),
  alg: algorithm.optional(),
  key_ops: z.array(z.string()).optional(),
  n: z.string().max(2_048).optional(),
  e: z.string().max(16).optional(),
  crv: z.enum(['P-256', 'P-384', 'P-521']).optional(),
  x: z.string().max(128).optional(),
  y: z.string().max(128).optional(),
})

/**
 * Where keys come from: the issuer's own discovery document, a JWKS at a URL of the operator's choosing, or the document
 * itself, for clusters that cannot be reached.
 */
const keySource = z.union(
  [
    z.strictObject({ discovery: z.literal(true) }),
    z.strictObject({ jwksUri: issuerUrl }),
    z.strictObject({ jwks: z.strictObject({ keys: z.array(publicKey).min(1).max(50) }) }),
  ],
  { error: 'expected { "discovery": true }, { "jwksUri": "https://…" } or { "jwks": { "keys": [ … ] } }' },
)

/** Who may act for workloads of an issuer: exactly this subject of that issuer. */
const actor = z.strictObject({ issuer: documentId, subject: z.string().min(1).max(512) })

/** Asks the cluster's API server whether pod and service account are still there. */
const tokenReview = z.strictObject({
  apiServer: issuerUrl,
  /** A token that may create TokenReviews (`system:auth-delegator`). */
  credential: secretReference,
  /** The API server's own authority, PEM. */
  ca: z.string().max(65_536).optional(),
})

/**
 * A trusted signer that an operator has registered. `issuerUrl` is compared with `iss` byte by byte: a trailing slash
 * or a letter's case makes it another issuer.
 */
export const issuerDocument = z
  .strictObject({
    schema: z.literal(1),
    id: documentId,
    issuerUrl,
    kind: z.enum(['aks', 'arc', 'kubernetes', 'entra', 'oidc']),
    labels: labels.default({}),
    audiences: z.array(z.string().min(1).max(256)).min(1).max(8),
    keys: keySource.default({ discovery: true }),
    /** `private` lets the issuer be asked at private and loopback addresses: a cluster inside the network. */
    network: z.enum(['public', 'private']).default('public'),
    algorithms: z.array(algorithm).min(1).default(['RS256', 'ES256']),
    region: z.string().max(64).optional(),
    maxTokenAge: duration({ min: 'PT1M', max: 'PT24H' }).prefault('PT1H'),
    clockTolerance: duration({ min: 'PT0S', max: 'PT60S' }).prefault('PT30S'),
    keepClaims: z.array(z.string().min(1).max(128)).max(32).default([]),
    relax: z.array(relaxation).default([]),
    /** Kind `entra`: people too, and not applications and managed identities alone. */
    users: z.boolean().default(false),
    /** A token of this issuer counts only together with the token of one of these. */
    actors: z.array(actor).min(1).max(32).optional(),
    tokenReview: tokenReview.optional(),
    enabled: z.boolean().default(true),
    /** Changes take effect when a second person approves them; but for one that only sets `enabled` to false. */
    requireApproval: z.boolean().default(false),
  })
  .refine(({ kind, relax }) => isKubernetes(kind) || relax.length === 0, {
    path: ['relax'],
    error: 'for Kubernetes issuers alone',
  })
  .refine(({ kind, tokenReview }) => isKubernetes(kind) || !tokenReview, {
    path: ['tokenReview'],
    error: 'for Kubernetes issuers alone',
  })
  .refine(({ kind, users }) => kind === 'entra' || !users, { path: ['users'], error: 'for Entra issuers alone' })

/** A registered issuer. Durations are milliseconds. */
export type Issuer = z.output<typeof issuerDocument>

function isKubernetes(kind: string): boolean {
  return kind === 'aks' || kind === 'arc' || kind === 'kubernetes'
}

function isHttpsUrl(text: string): boolean {
  const url = URL.parse(text)
  const bare = url?.search === '' && url.hash === '' && url.username === '' && url.password === ''
  return bare && url.protocol === 'https:'
}
