import { type Issuer, issuerDocument } from './issuer.ts'
import { regionOf } from './issuer-region.ts'
import type { WorkloadIssuer } from './workload.ts'

/** A stored issuer as rules see it; undefined where it is none. */
export function issuerFacts(document: unknown): WorkloadIssuer | undefined {
  return seenIssuer(document)?.facts
}

/** A stored issuer as rules see it, and whether its tokens count; undefined where it is none. */
export function seenIssuer(
  document: unknown,
): { readonly facts: WorkloadIssuer; readonly enabled: boolean } | undefined {
  const { data: issuer } = issuerDocument.safeParse(document)
  return issuer && { facts: factsOf(issuer), enabled: issuer.enabled }
}

function factsOf({ id, kind, labels, issuerUrl, region = regionOf(issuerUrl) }: Issuer): WorkloadIssuer {
  return { id, kind, labels, ...(region !== undefined && { region }) }
}
