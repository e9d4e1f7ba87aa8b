import { z } from 'zod'
import { describeProblems } from '../document.ts'
import { describeCause } from '../errors.ts'
import { type CheckedToken, checkToken } from './check-token.ts'
import type { Forwarding } from './cosmos-forwarding.ts'
import { metadataBase } from './entra-metadata.ts'
import type { FetchJson } from './https-json.ts'
import { type Issuer, issuerDocument } from './issuer.ts'
import { type IssuerStep, keySteps } from './issuer-key-check.ts'
import { looseSpelling, spellingDifference } from './issuer-mistakes.ts'

/** What is well with an issuer and what is not, and, where a token was given, with that token. */
export interface IssuerChecked {
  /** Whether no step failed, the token's among them. */
  readonly ok: boolean
  readonly steps: readonly IssuerStep[]
  readonly token?: CheckedToken
}

export interface IssuerCheckOptions {
  readonly fetchJson: FetchJson
  /** Wall clock, epoch milliseconds, and one that never jumps. */
  readonly now: () => number
  readonly monotonic: () => number
  /** When the inline keys that are in force were saved: keys that nobody fetches grow old unseen. */
  readonly keysSince: (issuer: Issuer) => Promise<string | undefined>
  readonly forwardingOf: (issuer: string) => Promise<Forwarding>
}

/**
 * Asks an issuer now, as the verification of its tokens would, and tells each step. Of other hosts it asks those that its
 * document names and none else, within the same limits; of our own documents and records, what its options look up. No claim
 * of the token is told but `iss`, `aud`, `sub` and `exp`.
 */
export async function checkIssuer(
  document: unknown,
  token: string | undefined,
  options: IssuerCheckOptions,
): Promise<IssuerChecked> {
  const parsed = issuerDocument.safeParse(document)
  if (!parsed.success) {
    const found = describeProblems(parsed.error).join('; ').slice(0, 1_000)
    return { ok: false, steps: [{ step: 'document', ok: false, expected: 'an issuer', found }] }
  }
  const issuer = parsed.data
  const steps = [
    ...enabledSteps(issuer),
    ...spellingSteps(issuer),
    ...(await sourceSteps(issuer, options)),
    ...(await forwarderSteps(issuer, options)),
  ]
  const checked = token === undefined ? undefined : await checkToken(token, issuer, options)
  const ok = steps.every(step => step.ok !== false) && checked?.ok !== false
  return { ok, steps, ...(checked && { token: checked }) }
}

function enabledSteps({ enabled }: Issuer): readonly IssuerStep[] {
  if (enabled) return []
  return [{ step: 'enabled', ok: false, expected: '"enabled": true', found: 'none of its tokens count' }]
}

async function forwarderSteps({ id }: Issuer, { forwardingOf }: IssuerCheckOptions): Promise<readonly IssuerStep[]> {
  const forwarding = await forwardingOf(id)
  const step = { step: 'forwarder', expected: 'CAUSEWAY_FORWARDERS is the same for manage as for exchange' }
  switch (forwarding.kind) {
    case 'named':
    case 'unseen':
      return []
    case 'seen': {
      // One that was taken out of both is still on record: which of the two it is cannot be told from here.
      const took = `an exchange took a client's address from an actor of this issuer, for example at ${forwarding.at}`
      return [{ ...step, ok: null, found: `${took}: here it names none of it, or none any more` }]
    }
    case 'unknown':
      return [{ ...step, ok: null, found: 'cannot be told: the decision log cannot be queried now' }]
  }
}

/** How the platforms spell themselves. What an issuer's own discovery document says counts more. */
const conventions = [
  { host: /^[a-z0-9]+\.oic\.prod-aks\.azure\.com$/, ends: '/', because: 'the OIDC issuer of AKS ends in a slash' },
  { host: /^login\.microsoftonline\.com$/, ends: '/v2.0', because: 'the v2.0 issuer of Entra ends in /v2.0' },
  { host: /^sts\.windows\.net$/, ends: '/', because: 'the v1.0 issuer of Entra ends in a slash' },
] as const

function spellingSteps({ issuerUrl }: Issuer): readonly IssuerStep[] {
  const { hostname } = new URL(issuerUrl)
  const known = conventions.find(({ host }) => host.test(hostname))
  if (!known) return []
  return [{ step: 'spelling', ok: issuerUrl.endsWith(known.ends), expected: known.because, found: issuerUrl }]
}

async function sourceSteps(issuer: Issuer, options: IssuerCheckOptions): Promise<readonly IssuerStep[]> {
  const { keys } = issuer
  if ('jwks' in keys) return [...keySteps(keys.jwks, issuer), await inlineAgeStep(issuer, options)]
  if ('jwksUri' in keys) return fetchedKeySteps(keys.jwksUri, issuer, options)
  const { steps, jwksUri } = await discover(issuer, options)
  return jwksUri === undefined ? steps : [...steps, ...(await fetchedKeySteps(jwksUri, issuer, options))]
}

async function inlineAgeStep(issuer: Issuer, { keysSince }: IssuerCheckOptions): Promise<IssuerStep> {
  const since = await keysSince(issuer)
  const found = since === undefined ? 'longer than its versions tell' : `in the document since ${since}`
  return { step: 'key-age', ok: null, expected: 'the keys that the cluster signs with now: nobody fetches them', found }
}

async function fetchedKeySteps(jwksUri: string, issuer: Issuer, options: IssuerCheckOptions) {
  const expected = `${jwksUri} answers with keys`
  const fetched = await fetched200(new URL(jwksUri), issuer, options)
  if ('problem' in fetched) return [{ step: 'jwks', ok: false, expected, found: fetched.problem }]
  const age = { step: 'fetched', ok: true, expected, found: 'now; every instance fetches them each ten minutes' }
  return [age, ...keySteps(fetched.document, issuer)]
}

const discovery = z.object({ issuer: z.string().max(512), jwks_uri: z.url().max(512) })

async function discover(
  issuer: Issuer,
  options: IssuerCheckOptions,
): Promise<{ steps: readonly IssuerStep[]; jwksUri?: string }> {
  const base = metadataBase(issuer)
  const url = `${base}/.well-known/openid-configuration`
  const fetched = await fetched200(new URL(url), issuer, options)
  const step = { step: 'discovery', expected: `${url} answers with "issuer" and "jwks_uri"` }
  if ('problem' in fetched) return { steps: [{ ...step, ok: false, found: fetched.problem }] }
  const parsed = discovery.safeParse(fetched.document)
  if (!parsed.success) return { steps: [{ ...step, ok: false, found: 'it answers with something else' }] }
  const { issuer: named, jwks_uri: jwksUri } = parsed.data
  const name = nameStep(named, issuer)
  const isHere = new URL(jwksUri).host === new URL(base).host
  const place = {
    step: 'jwks-host',
    ok: isHere,
    expected: `a jwks_uri on ${new URL(base).host}, or one that the document names`,
    found: jwksUri,
  }
  const steps = [{ ...step, ok: true, found: 'so' }, name, place]
  return isHere && name.ok ? { steps, jwksUri } : { steps }
}

/** `iss` and `issuerUrl` are compared byte by byte, so what the issuer calls itself has to be what is registered. */
function nameStep(named: string, { issuerUrl }: Issuer): IssuerStep {
  const isAlike = named !== issuerUrl && looseSpelling(named) === looseSpelling(issuerUrl)
  const found = isAlike ? `${named}: it differs by ${spellingDifference(named, issuerUrl)}` : named
  return { step: 'issuer-url', ok: named === issuerUrl, expected: `the issuer calls itself ${issuerUrl}`, found }
}

type Fetched = { readonly document: unknown } | { readonly problem: string }

async function fetched200(url: URL, { network }: Issuer, { fetchJson }: IssuerCheckOptions): Promise<Fetched> {
  try {
    return { document: await fetchJson(url, network) }
  } catch (error) {
    return { problem: problemOf(error) }
  }
}

/** What our own fetcher says, by its own words; of anything else the name and the code. */
const own = /^(status \d{3}|the answer is over 100 KiB|a private address, and the issuer is not marked as private)$/

function problemOf(error: unknown): string {
  if (error instanceof SyntaxError) return 'the answer is no JSON'
  if (error instanceof Error && own.test(error.message)) return error.message
  const { error: name, code } = describeCause(error)
  return code === undefined ? `no answer (${name})` : `no answer (${code})`
}
