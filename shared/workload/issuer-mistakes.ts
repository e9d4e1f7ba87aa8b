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
    const slash = similar.endsWith('/') !== issuerUrl.endsWith('/')
    const difference = slash ? 'the trailing slash' : 'the case of its letters'
    return `the token's issuer is not registered; one that differs by ${difference} is`
  }
  if (unconfigured.includes(issuerUrl)) {
    return 'the cluster signs as its default issuer: set service-account-issuer of its API server to its OIDC issuer URL (az connectedk8s show --query oidcIssuerProfile.issuerUrl)'
  }
  return "the token's issuer is not registered"
}

/** What a workload may be told of an audience that is not this gateway's. */
export function explainAudience(found: readonly string[], expected: readonly string[]): string {
  const foreign = found.map(audience => foreignAudiences.get(audience)).find(name => name !== undefined)
  const hint = foreign === undefined ? '' : `; the token's is ${foreign}: project a second token`
  return `expected the audience ${expected.join(' or ')}${hint}`
}

/** What is wrong with a token that lives too long: most often it is one that Kubernetes extended to a year. */
export function explainLifetime({ payload }: UnverifiedToken, { maxTokenAge: maxAge, kind }: Issuer): string {
  const limit = `expected a token of at most ${maxAge / 1000} seconds of life`
  return isExtended(payload)
    ? `${limit}; this one was extended to a year (warnafter) for the API server: project one for this audience`
    : kind === 'entra' || kind === 'oidc'
      ? limit
      : `${limit}: set expirationSeconds of the projected token`
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
