import type { Reason } from '../errors.ts'
import type { Issuer } from './issuer.ts'

type Expectation = (issuer: Issuer, now: number) => string

/** What each check of the verification demands of a token of one issuer, as what follows "expected". */
const expectations: ReadonlyMap<Reason, Expectation> = new Map<Reason, Expectation>([
  ['token_malformed', () => 'a signed JWT in compact form'],
  ['token_header', () => 'a header with "alg" and "kid" that brings no key along'],
  ['issuer_unknown', ({ issuerUrl }) => `the issuer ${issuerUrl}`],
  ['token_algorithm', ({ algorithms }) => `the key's own algorithm, one of ${algorithms.join(', ')}`],
  ['token_audience', audience],
  ['token_expired', (_, now) => `an end after ${instant(now)}`],
  ['token_not_yet_valid', (_, now) => `a beginning before ${instant(now)}`],
  ['token_too_old', ({ maxTokenAge }) => `at most ${maxTokenAge / 1000} seconds of life`],
  ['token_key_unknown', ({ algorithms }) => `a key that the issuer publishes, for ${algorithms.join(', ')}`],
  ['token_signature', () => 'a signature by the key that it names'],
  ['token_claims', claims],
  ['token_unbound', ({ relax }) => `a bound service-account token${relax.includes('unbound') ? '' : ' of a pod'}`],
  ['issuer_keys_unavailable', () => 'keys that can be fetched'],
  ['issuer_unreadable', () => 'keys that can be used'],
])

/** What a token has to be so that it passes a check. `now` is epoch milliseconds. */
export function expectationOf(reason: Reason, issuer: Issuer, now: number): string {
  return expectations.get(reason)?.(issuer, now) ?? 'every check of the verification'
}

function audience({ audiences, kind, relax }: Issuer): string {
  const isCluster = kind !== 'entra' && kind !== 'oidc'
  const alone = isCluster && !relax.includes('severalAudiences') ? ', and no other' : ''
  return `one of ${audiences.join(', ')}${alone}`
}

function claims({ kind, users }: Issuer): string {
  const registered = '"iss", "sub", "aud", "exp" and "iat"'
  if (kind === 'oidc') return registered
  if (kind !== 'entra') return `${registered}, and a "sub" that agrees with "kubernetes.io"`
  return `${registered}, and those of an access token of Entra for ${users ? 'anybody' : 'an application'} of the issuer's tenant`
}

function instant(now: number): string {
  return new Date(now).toISOString()
}
