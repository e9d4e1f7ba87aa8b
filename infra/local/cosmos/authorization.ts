import { CosmosError } from './cosmos-error.ts'
import type { CosmosRequest } from './request.ts'

/**
 * Cosmos DB's data actions on documents: `items/create`, `items/read`, `items/replace`, `items/upsert`, `items/delete`,
 * `executeQuery`, `readChangeFeed`. `readMetadata` every known identity has.
 * https://learn.microsoft.com/azure/cosmos-db/nosql/reference-data-plane-actions
 */
export type DocumentAction = 'create' | 'read' | 'replace' | 'upsert' | 'delete' | 'query' | 'changeFeed'

/** Who may do what. */
export interface Access {
  /** Who presents this bearer token, or undefined when it is no acceptable token. */
  readonly authenticate: (token: string) => Promise<string | undefined>
  /** May this identity do this to this container? */
  readonly authorize: (identity: string, container: string, action: DocumentAction) => boolean
}

const scheme = 'type=aad&ver=1.0&sig='

/** The identity behind a request. Throws a 401 where it presents no acceptable Entra token; keys are never accepted. */
export async function identify(request: CosmosRequest, { authenticate }: Access): Promise<string> {
  const token = tokenOf(request.header('authorization'))
  const identity = token === undefined ? undefined : await authenticate(token)
  if (identity !== undefined) return identity
  throw new CosmosError(
    401,
    'Required Header authorization is missing or holds no acceptable token. Ensure it is valid.',
  )
}

/** Throws a 403 unless the identity may do all of it. Substatus 5302: role-based access control refuses a data request. */
export function requireAccess(
  { authorize }: Access,
  identity: string,
  container: string,
  actions: Iterable<DocumentAction>,
): void {
  for (const action of actions) {
    if (authorize(identity, container, action)) continue
    const message = `Request blocked by Auth: principal [${identity}] does not have required RBAC permissions to perform action [${action}] on resource [${container}]`
    throw new CosmosError(403, message, { substatus: 5302 })
  }
}

/**
 * What no data-plane role can allow: making, changing or deleting databases, containers and throughput.
 * https://learn.microsoft.com/azure/cosmos-db/troubleshoot-forbidden
 */
export function notInDataPlane({ method, path }: CosmosRequest): CosmosError {
  const message = `The given request [${method} /${path.join('/')}] cannot be authorized by AAD token in data plane`
  return new CosmosError(403, message, { substatus: 5300 })
}

/** The client sends the scheme as it is or URL-encoded. */
function tokenOf(header = ''): string | undefined {
  const plain = header.startsWith(scheme) ? header : decode(header)
  return plain.startsWith(scheme) ? plain.slice(scheme.length) : undefined
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return ''
  }
}
