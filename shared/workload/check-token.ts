import { ExchangeError, type Reason } from '../errors.ts'
import { readCompactToken, type UnverifiedToken } from './compact-token.ts'
import type { FetchJson } from './https-json.ts'
import type { Issuer } from './issuer.ts'
import { issuerKeys } from './issuer-keys.ts'
import { audienceHint, defaultIssuerHint, lifetimeHint, looseSpelling, spellingDifference } from './issuer-mistakes.ts'
import { expectationOf } from './token-expectation.ts'
import { tokenVerifier, type VerifyToken } from './verify-token.ts'

/** What the verification of one issuer says of a token. */
export interface CheckedToken {
  readonly ok: boolean
  /** The check that it fails. */
  readonly check?: Reason
  readonly expected: string
  readonly found: string
  /** What the token says of itself, to be believed only where it is `ok`. */
  readonly says?: Said
  /** A rule for this workload, to be completed; where the token tells whose it is. */
  readonly rule?: Readonly<Record<string, unknown>>
  /** What was left out. */
  readonly notChecked?: string
}

interface Said {
  readonly iss: string
  readonly aud: readonly string[]
  readonly sub: string
  readonly exp: string
  readonly kid: string
}

export interface TokenCheckOptions {
  readonly fetchJson: FetchJson
  readonly now: () => number
  readonly monotonic: () => number
}

/** Verifies a token as one of this issuer's, by the code that verifies callers' tokens, with keys that are fetched now. */
export async function checkToken(text: string, issuer: Issuer, options: TokenCheckOptions): Promise<CheckedToken> {
  const keys = issuerKeys(options)
  const verify = tokenVerifier({ issuers: onlyThis(issuer), keys, review: async () => {}, now: options.now })
  const token = readable(text)
  const about = token ? aboutToken(token, issuer) : {}
  const failure = await failureOf(verify, text)
  const left = issuer.tokenReview && { notChecked: 'tokenReview: its credential is for exchange alone' }
  if (!failure) return { ok: true, expected: 'every check of the verification', found: 'so', ...about, ...left }
  const expected = expectationOf(failure.reason, issuer, options.now())
  return { ok: false, check: failure.reason, expected, found: foundOf(failure, token, issuer), ...about, ...left }
}

function onlyThis(issuer: Issuer) {
  return {
    async find(iss: string) {
      if (iss === issuer.issuerUrl) return { issuer, version: 'checked' }
      throw new ExchangeError('invalid_request', 'issuer_unknown')
    },
  }
}

async function failureOf(verify: VerifyToken, text: string): Promise<ExchangeError | undefined> {
  try {
    await verify(text)
    return undefined
  } catch (error) {
    if (error instanceof ExchangeError) return error
    throw error
  }
}

function readable(text: string): UnverifiedToken | undefined {
  try {
    return readCompactToken(text)
  } catch {
    return undefined
  }
}

function aboutToken({ claims, header }: UnverifiedToken, issuer: Issuer): Pick<CheckedToken, 'says' | 'rule'> {
  const { iss, aud, sub, exp } = claims
  const rule = ruleStub(sub, issuer)
  return { says: { iss, aud, sub, exp: instant(exp), kid: header.kid }, ...(rule && { rule }) }
}

/** What of the token the check was about. Other claims, and the header's words, are not told. */
function foundOf(
  { reason, description = 'none' }: ExchangeError,
  token: UnverifiedToken | undefined,
  issuer: Issuer,
): string {
  if (!token) return description
  const { claims, header } = token
  switch (reason) {
    case 'issuer_unknown':
      return withHint(claims.iss, issuerHint(claims.iss, issuer))
    case 'token_audience':
      return withHint(claims.aud.join(' '), audienceHint(claims.aud))
    case 'token_expired':
      return `it ended at ${instant(claims.exp)}`
    case 'token_too_old':
      return withHint(`${claims.exp - claims.iat} seconds`, lifetimeHint(token, issuer))
    case 'token_key_unknown':
      return `the key "${header.kid}"`
    case 'token_signature':
      return `one that does not verify by the key "${header.kid}"`
    case 'token_algorithm':
      return issuer.algorithms.some(each => each === header.alg) ? `${header.alg}, not the key's` : 'another algorithm'
    default:
      return description
  }
}

function issuerHint(iss: string, { issuerUrl }: Issuer): string | undefined {
  const isAlike = looseSpelling(iss) === looseSpelling(issuerUrl)
  return isAlike ? `it differs by ${spellingDifference(iss, issuerUrl)}` : defaultIssuerHint(iss)
}

function withHint(found: string, hint: string | undefined): string {
  return hint === undefined ? found : `${found}; ${hint}`
}

const serviceAccount = /^system:serviceaccount:([a-z0-9][a-z0-9-]{0,62}):([a-z0-9][a-z0-9.-]{0,252})$/

/** For Kubernetes by namespace and service account, for others by the subject. A draft decides nothing. */
function ruleStub(subject: string, { id, kind }: Issuer): CheckedToken['rule'] {
  const [, namespace, name] = serviceAccount.exec(subject) ?? []
  const isKubernetes = kind !== 'entra' && kind !== 'oidc'
  // A selector's `*` at the end is a pattern: such a subject would make a rule for others too.
  if (isKubernetes ? name === undefined : subject.includes('*') || subject.length > 512) return undefined
  const workload = isKubernetes ? { issuer: id, namespace, serviceAccount: name } : { issuer: id, subject }
  const words = isKubernetes ? `${namespace}-${name}` : id
  return {
    schema: 1,
    id: words.replaceAll('.', '-').slice(0, 63).replace(/-+$/, ''),
    target: 'name-the-target',
    effect: 'allow',
    state: 'draft',
    workloads: [workload],
    scopes: ['name-the-scope'],
  }
}

/** A number in a token may be beyond what a Date can hold. */
function instant(seconds: number): string {
  const date = new Date(seconds * 1000)
  return Number.isNaN(date.getTime()) ? 'no such time' : date.toISOString()
}
