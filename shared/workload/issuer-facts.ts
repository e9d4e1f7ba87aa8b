import { issuerDocument } from './issuer.ts'
import { regionOf } from './issuer-region.ts'
import type { WorkloadIssuer } from './workload.ts'

/** A stored issuer as rules see it; undefined where it is none. */
export function issuerFacts(document: unknown): WorkloadIssuer | undefined {
  const { data: issuer } = issuerDocument.safeParse(document)
  if (!issuer) return undefined
  const { id, kind, labels, issuerUrl, region = regionOf(issuerUrl) } = issuer
  return { id, kind, labels, ...(region !== undefined && { region }) }
}
