import type { IncomingHttpHeaders } from 'node:http'

/** What of an exchange can be seen from outside, in the order in which a new process does it. */
export const steps = [
  'derivation key read',
  'lease creation',
  'decision record',
  'admin password read',
  'database login',
  'database survey',
  'account statement',
  'lease activation',
  'token response',
] as const

/** What of a revocation can be seen from outside, in the order in which the timer does it. */
export const revocationSteps = [
  'lease claim',
  'revoker password read',
  'database login',
  'account lock',
  'account drop',
  'place freeing',
  'revocation record',
  'lease end',
] as const

/** What of a mint on MariaDB is not as elsewhere: the account is made locked, and opened with what it may do. */
export const mysqlSteps = ['account statement', 'account opening'] as const
export type Step = (typeof steps | typeof revocationSteps | typeof mysqlSteps)[number]

/** A moment of an exchange: `before` whom it concerns has seen the message, or `after` it did as asked and before its answer. */
export interface Point {
  readonly step: Step
  readonly side: 'before' | 'after'
}

/** Every moment between reserve and response, and what is read right before. */
export const points: readonly Point[] = steps
  .flatMap(bothSides)
  // Before it there is nothing to be seen but that the lease was activated.
  .filter(({ step, side }) => step !== 'token response' || side === 'after')

/** Every moment of a revocation. */
export const revocationPoints = revocationSteps.flatMap(bothSides)

/** Every moment at which an account on MariaDB is half made. */
export const mysqlPoints = mysqlSteps.flatMap(bothSides)

function bothSides(step: Step): readonly Point[] {
  return [
    { step, side: 'before' },
    { step, side: 'after' },
  ]
}

/** How a point is called in the name of a test. */
export function nameOf({ step, side }: Point): string {
  return `${side} the ${step}`
}

/** A request on its way to Cosmos DB or Key Vault. */
export interface SeenRequest {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** The step that a request to Cosmos DB is. */
export function cosmosStep({ method, path, headers, body }: SeenRequest): Step | undefined {
  const [, container] = /\/colls\/([^/]+)\/docs(?:\/[^/]+)?$/.exec(path) ?? []
  const asks = headers['x-ms-documentdb-isquery'] ?? headers['x-ms-cosmos-is-query-plan-request']
  if (container === 'leases' && method === 'PUT' && body.includes('"state":"active"')) return 'lease activation'
  if (method !== 'POST' || asks !== undefined) return undefined
  if (container === 'leases') return 'lease creation'
  return container === 'decisions' ? 'decision record' : undefined
}

/** The step of a revocation that a request to Cosmos DB is. */
export function timerStep({ method, path, body }: SeenRequest): Step | undefined {
  if (method === 'PUT' && path.includes('/colls/leases/docs/place-')) return 'place freeing'
  if (method === 'PUT' && body.includes('"state":"revoking"')) return 'lease claim'
  if (method === 'PUT' && body.includes('"state":"revoked"')) return 'lease end'
  return method === 'POST' && body.includes('"kind":"revocation"') ? 'revocation record' : undefined
}

/** The step that a request to Key Vault is. The SDK's first one has no token, and is about none. */
export function vaultStep({ path, headers }: SeenRequest): Step | undefined {
  if (headers.authorization === undefined) return undefined
  if (path.startsWith('/secrets/causeway-derivation-key')) return 'derivation key read'
  if (path.startsWith('/secrets/orders-db-revoker')) return 'revoker password read'
  return path.startsWith('/secrets/orders-db-minter') ? 'admin password read' : undefined
}

/** The step that a message to PostgreSQL begins. The login is no such message: it has a form of its own. */
export function statementStep(message: string): Step | undefined {
  if (message.includes('clock_timestamp()) * 1000')) return 'database survey'
  if (message.includes('CREATE ROLE')) return 'account statement'
  if (message.includes('ALTER ROLE') && message.includes('NOLOGIN')) return 'account lock'
  return message.includes('DROP ROLE') ? 'account drop' : undefined
}

/** The step that a statement to MariaDB is. */
export function mysqlStep(message: string): Step | undefined {
  if (message.includes('CREATE USER')) return 'account statement'
  return message.includes('ACCOUNT UNLOCK') ? 'account opening' : undefined
}
