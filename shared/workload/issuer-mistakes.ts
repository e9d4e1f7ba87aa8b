import type { UnverifiedToken } from './compact-token.ts'
import type { Issuer } from './issuer.ts'

/** What a cluster calls itself until its API server is told its issuer (`--service-account-issuer`). */
const unconfigured = ['https://kubernetes.default.svc.cluster.local', 'https://kubernetes.default.svc']

/** Audiences of other services: a token for one of them was projected, or read, by mistake. */
const foreignAudiences = new Map(
  Object.entries({
    'api://AzureADTokenExchange': 'that of Azure Workload Identity',
    'api://AKSIdentityBinding': 'that of AKS identity bindings',
    'https://kubernetes.default.svc': "the API server's own",
    'https://kubernetes.default.svc.cluster.local': "the API server's own",
    'sts.amazonaws.com': 'that of AWS',
  }),
)

/** What an issuer is looked for under when it was spelled wrong. Never to decide by. */
export function looseSpelling(issuerUrl: string): string {
  return issuerUrl.toLowerCase().replace(/\/+$/, '')
}

/** What a workload may be told of an issuer that is not registered. `similar` is one that is spelled almost alike. */
export function explainUnknownIssuer(issuerUrl: string, similar: string | undefined): string {
  if (similar !== undefined) {
    return `the token's issuer is not registered; one that differs by ${spellingDifference(issuerUrl, similar)} is`
  }
  return defaultIssuerHint(issuerUrl) ?? "the token's issuer is not registered"
}

/** What keeps two spellings from being the same, of which {@link looseSpelling} is. */
export function spellingDifference(one: string, other: string): string {
  return one.endsWith('/') === other.endsWith('/') ? 'the case of its letters' : 'the trailing slash'
}

/** Of the name that every unconfigured cluster has: what to do. */
export function defaultIssuerHint(issuerUrl: string): string | undefined {
  return unconfigured.includes(issuerUrl)
    ? 'the cluster signs as its default issuer: set service-account-issuer of its API server to its OIDC issuer URL (az connectedk8s show --query oidcIssuerProfile.issuerUrl)'
    : undefined
}

/** What a workload may be told of an audience that is not this gateway's. */
export function explainAudience(found: readonly string[], expected: readonly string[]): string {
  const hint = audienceHint(found)
  return [`expected the audience ${expected.join(' or ')}`, ...(hint === undefined ? [] : [hint])].join('; ')
}

/** Of an audience of another service: whose it is, and what to do. */
export function audienceHint(found: readonly string[]): string | undefined {
  const foreign = found.map(audience => foreignAudiences.get(audience)).find(name => name !== undefined)
  return foreign === undefined ? undefined : `the token's is ${foreign}: project a second token`
}

/** What is wrong with a token that lives too long: most often it is one that Kubernetes extended to a year. */
export function explainLifetime(token: UnverifiedToken, issuer: Issuer): string {
  const hint = lifetimeHint(token, issuer)
  const limit = `expected a token of at most ${issuer.maxTokenAge / 1000} seconds of life`
  return [limit, ...(hint === undefined ? [] : [hint])].join('; ')
}

/** Of a token of a cluster that lives too long: why it does, and what to do. */
export function lifetimeHint({ payload }: UnverifiedToken, { kind }: Issuer): string | undefined {
  if (isExtended(payload))
    return 'this one was extended to a year (warnafter) for the API server: project one for this audience'
  return kind === 'entra' || kind === 'oidc' ? undefined : 'set expirationSeconds of the projected token'
}

function isExtended(payload: unknown): boolean {
  const claims = member(payload, 'kubernetes.io')
  return member(claims, 'warnafter') !== undefined
}

/** A token from a Secret (Kubernetes 1.20 and older, or asked for since): no audience, no expiry. */
export function isLegacyToken(payload: unknown): boolean {
  return member(payload, 'kubernetes.io/serviceaccount/namespace') !== undefined
}

function member(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined
  return Object.getOwnPropertyDescriptor(value, name)?.value
}
