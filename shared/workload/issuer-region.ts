/**
 * The region that is part of an AKS or Arc issuer's URL: `https://{region}.oic.prod-aks.azure.com/…`. Arc names
 * macro-regions, such as `europe`.
 */
const azureIssuer = /^https:\/\/([a-z0-9-]+)\.oic\.prod-(?:aks|arc)\.azure\.(?:com|us|cn)\//

/** The region of an issuer by its URL, where the URL tells. */
export function regionOf(issuerUrl: string): string | undefined {
  return azureIssuer.exec(issuerUrl)?.[1]
}
