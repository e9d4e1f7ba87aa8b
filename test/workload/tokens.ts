import { CompactSign, type CryptoKey, exportJWK, generateKeyPair, type JWK } from 'jose'
import { ExchangeError } from '../../shared/errors.ts'
import { type Issuer, issuerDocument } from '../../shared/workload/issuer.ts'
import type { IssuerKey } from '../../shared/workload/issuer-key.ts'

/** The second at which these tests happen. */
export const second = Date.parse('2026-06-01T12:00:00Z') / 1000

export const issuerUrl = 'https://oidc.example/tenant/cluster/'
export const audience = 'api://causeway'

/** A registered cluster, as its document is parsed. */
export function issuerOf(changed: Readonly<Record<string, unknown>> = {}): Issuer {
  const document = { schema: 1, id: 'aks-prod-weu', issuerUrl, kind: 'aks', audiences: [audience] }
  return issuerDocument.parse({ ...document, labels: { environment: 'prod' }, ...changed })
}

/** The claims of a token bound to a pod of `payments/api`. */
export const boundClaims = {
  iss: issuerUrl,
  sub: 'system:serviceaccount:payments:api',
  aud: [audience],
  iat: second,
  nbf: second,
  exp: second + 3600,
  jti: 'token-1',
  'kubernetes.io': {
    namespace: 'payments',
    serviceaccount: { name: 'api', uid: 'uid-of-api' },
    pod: { name: 'api-0', uid: 'uid-of-pod' },
    node: { name: 'node-1', uid: 'uid-of-node' },
  },
} as const

/** A key pair that signs tokens, and how its issuer publishes it. */
export interface Signer {
  readonly id: string
  readonly published: JWK
  readonly known: IssuerKey
  /** Signs claims; a claim that is undefined is left out, and `header` replaces members of the header. */
  sign(claims?: object, header?: object): Promise<string>
}

export async function newSigner(id: string, algorithm: 'RS256' | 'ES256' = 'RS256'): Promise<Signer> {
  const pair: { publicKey: CryptoKey; privateKey: CryptoKey } = await generateKeyPair(algorithm, { extractable: true })
  const published = { ...(await exportJWK(pair.publicKey)), kid: id, alg: algorithm, use: 'sig' }
  return {
    id,
    published,
    known: { algorithm, key: pair.publicKey, numbers: id },
    sign: (claims = {}, header = {}) =>
      new CompactSign(Buffer.from(JSON.stringify({ ...boundClaims, ...claims })))
        .setProtectedHeader({ alg: algorithm, kid: id, ...header })
        .sign(pair.privateKey, { crit: { b64: false } }),
  }
}

/** A token put together by hand, with any header, claims and signature. */
export function forged(header: object, claims: object, signature = 'AAAA'): string {
  const parts = [header, claims].map(part => Buffer.from(JSON.stringify(part)).toString('base64url'))
  return [...parts, signature].join('.')
}

/** The failure of something that must fail in the one way that is expected. */
export async function failureOf(work: Promise<unknown>): Promise<ExchangeError> {
  const error = await work.catch((thrown: unknown) => thrown)
  if (!(error instanceof ExchangeError)) throw new TypeError(`expected an ExchangeError, got ${String(error)}`)
  return error
}
