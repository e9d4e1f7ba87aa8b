import type { Issuer } from './issuer.ts'

const guid = /[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}/i

/**
 * Where an issuer's discovery document is: below its URL, but for v1.0 tokens of Entra, whose issuer is
 * `https://sts.windows.net/{tid}/` and whose metadata is documented at login.microsoftonline.com.
 */
export function metadataBase({ kind, issuerUrl }: Issuer): string {
  const { hostname } = new URL(issuerUrl)
  const tenant = guid.exec(issuerUrl)?.[0]
  if (kind === 'entra' && hostname === 'sts.windows.net' && tenant) return `https://login.microsoftonline.com/${tenant}`
  return issuerUrl.replace(/\/$/, '')
}

/**
 * Whether a key of Entra may sign for this issuer: a key that is published for several tenants names those whose tokens
 * it signs, `{tenantid}` standing for any (access tokens, "Validate the signing key issuer").
 */
export function maySignFor({ kind, issuerUrl }: Issuer, keyIssuer: unknown): boolean {
  if (kind !== 'entra' || typeof keyIssuer !== 'string') return true
  const tenant = guid.exec(issuerUrl)?.[0]?.toLowerCase()
  return keyIssuer.includes('{tenantid}') || (tenant !== undefined && keyIssuer.toLowerCase().includes(tenant))
}
