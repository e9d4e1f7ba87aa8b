import { isDeepStrictEqual } from 'node:util'
import { issuerDocument } from './issuer.ts'
import { issuerFacts } from './issuer-facts.ts'
import type { WorkloadIssuer } from './workload.ts'

/** What becomes of an issuer, by documents as they are stored. */
export interface IssuerEdit {
  readonly id: string
  /** Undefined of one that is made. */
  readonly before: unknown
  /** Undefined of one that is removed. */
  readonly after: unknown
  /** The issuers whose tokens may need an actor of it. */
  readonly actedFor: readonly unknown[]
}

/** What becomes of an issuer, as what rests on it sees it. */
export interface IssuerChange {
  readonly id: string
  /** As it was and as it is to be, and the issuers that it acts for: undefined for one that cannot be read. */
  readonly versions: readonly (WorkloadIssuer | undefined)[]
  /** Whether it vouches for other tokens than before, or tells other things by them: it may be new, or take over another's. */
  readonly vouchesAnew: boolean
}

/** Parses what becomes of an issuer. One that cannot be read vouches for whatever it may. */
export function issuerChange({ id, before, after, actedFor }: IssuerEdit): IssuerChange {
  const versions = [before, after, ...actedFor].filter(document => document !== undefined).map(issuerFacts)
  return { id, versions, vouchesAnew: after !== undefined && isVouchingOther(before, after) }
}

function isVouchingOther(before: unknown, after: unknown): boolean {
  const vouching = vouchingOf(after)
  return vouching === undefined || !isDeepStrictEqual(vouching, vouchingOf(before))
}

/**
 * Which tokens count, and what of them is told: namespace and pod by the kind, and an Entra subject by the audience. It is
 * all that an issuer says but for how selectors find it, which its versions tell, and who changes it: a new member counts.
 */
function vouchingOf(document: unknown): object | undefined {
  const { data: issuer } = issuerDocument.safeParse(document)
  if (!issuer) return undefined
  const { schema: _schema, id: _id, labels: _labels, region: _region, requireApproval: _approval, ...vouching } = issuer
  return vouching
}
