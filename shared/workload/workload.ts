/** A claim that an issuer keeps as a fact: bounded text, numbers and flags, or a list of text. */
export type Claim = string | number | boolean | readonly string[]

/** The issuer as rules see it. */
export interface WorkloadIssuer {
  readonly id: string
  readonly kind: IssuerKind
  readonly labels: Readonly<Record<string, string>>
  readonly region?: string
}

/** What signs the tokens: an AKS or Arc cluster, another cluster, an Entra tenant, anything else with keys. */
export type IssuerKind = 'aks' | 'arc' | 'kubernetes' | 'entra' | 'oidc'

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
  readonly entra?: EntraIdentity
  /** Who acts for it by the word of its own token. */
  readonly act?: Act
  readonly claims: Readonly<Record<string, Claim>>
  /** Names of claims that the issuer keeps and that the token has, but too large to be facts. */
  readonly claimsBeyondBounds?: readonly string[]
  readonly token: TokenFacts
}

/** An application, a managed identity or, where the issuer says so, a person of an Entra tenant. */
export interface EntraIdentity {
  readonly tenant: string
  /** The principal: it stays the same while names change. */
  readonly objectId: string
  readonly application: string
  readonly principal: 'application' | 'user'
  /** Entra itself says which (`idtyp`). Otherwise it was read from the token's shape, which is not enough for `/manage`. */
  readonly principalStated: boolean
  /** App roles: for operators, who may do what in `/manage`. */
  readonly roles: readonly string[]
  /** The scopes that a person gave to the application. */
  readonly scopes?: readonly string[]
  /** The ARM id of a managed identity. Its parts are names, which can be made again: no anchor for a rule. */
  readonly managedIdentity?: string
}

/** The top level of an `act` claim. */
export interface Act {
  readonly subject: string
  readonly issuerUrl?: string
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
