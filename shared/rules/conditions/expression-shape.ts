/** What an expression can have in hand: CEL's types, objects whose members are known, and `any` for what is not known. */
export type Shape =
  | { readonly kind: 'object'; readonly members: Readonly<Record<string, Shape>> }
  | { readonly kind: 'map'; readonly of: Shape }
  | { readonly kind: 'list'; readonly of: Shape }
  | { readonly kind: ScalarKind }

type ScalarKind = 'string' | 'int' | 'double' | 'bool' | 'null' | 'timestamp' | 'duration' | 'any'

export const string: Shape = { kind: 'string' }
export const int: Shape = { kind: 'int' }
export const double: Shape = { kind: 'double' }
export const bool: Shape = { kind: 'bool' }
export const nothing: Shape = { kind: 'null' }
export const timestamp: Shape = { kind: 'timestamp' }
export const duration: Shape = { kind: 'duration' }
export const any: Shape = { kind: 'any' }

export const listOf = (of: Shape): Shape => ({ kind: 'list', of })
const mapOf = (of: Shape): Shape => ({ kind: 'map', of })
const object = (members: Readonly<Record<string, Shape>>): Shape => ({ kind: 'object', members })

const named = object({ name: string, uid: string })

const workload = object({
  issuer: object({ id: string, kind: string, labels: mapOf(string), region: string }),
  subject: string,
  namespace: string,
  serviceAccount: named,
  pod: named,
  node: named,
  entra: object({
    tenant: string,
    objectId: string,
    application: string,
    principal: string,
    roles: listOf(string),
    scopes: listOf(string),
    managedIdentity: string,
  }),
  act: object({ subject: string, issuerUrl: string }),
  claims: mapOf(any),
})

/** The facts that an expression sees, by the names under which the record stores them. */
export const factShapes: Readonly<Record<string, Shape>> = {
  workload,
  actor: workload,
  target: object({ id: string, labels: mapOf(string), scopes: listOf(string) }),
  scopes: listOf(string),
  client: object({ address: string, provenance: string, country: string }),
  time: timestamp,
}

/** Whether one may stand where the other is expected, as far as can be told before there are facts. */
export function fits(found: Shape, expected: Shape): boolean {
  return found.kind === 'any' || expected.kind === 'any' || found.kind === expected.kind
}
