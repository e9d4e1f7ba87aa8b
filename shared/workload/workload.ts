/** A claim that an issuer keeps as a fact: bounded text, numbers and flags, or a list of text. */
export type Claim = string | number | boolean | readonly string[]

/** The issuer as rules see it. */
export interface WorkloadIssuer {
  readonly id: string
  readonly kind: IssuerKind
  readonly labels: Readonly<Record<string, string>>
  readonly region?: string
}

/** What signs the tokens: an AKS or Arc cluster, another cluster, an Entra tenant. */
export type IssuerKind = 'aks' | 'arc' | 'kubernetes' | 'entra'

/** A name and the uid that tells it from an earlier object of the same name. */
export interface NamedObject {
  readonly name: string
  readonly uid?: string
}

/**
 * The verified identity. Everything in it was signed by the issuer and is within bounds; it is recorded as it stands,
 * and rules see nothing else of the token.
 */
export interface Workload {
  readonly issuer: WorkloadIssuer
  readonly subject: string
  readonly namespace?: string
  readonly serviceAccount?: NamedObject
  readonly pod?: NamedObject
  readonly node?: NamedObject
  /** Entra application roles: who may do what in `/manage`. */
  readonly roles?: readonly string[]
  readonly claims: Readonly<Record<string, Claim>>
  readonly token: TokenFacts
}

/** What the record keeps of the token itself, so that one can be found again. Never the token. */
export interface TokenFacts {
  /** `jti`, or Entra's `uti`. */
  readonly id?: string
  readonly keyId: string
  /** Epoch seconds. */
  readonly issuedAt: number
  readonly expiresAt: number
}
