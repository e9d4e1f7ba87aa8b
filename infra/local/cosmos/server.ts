import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import type { Certificate } from '../certificate-authority.ts'
import { listen } from '../listener.ts'
import { type Access, identify, notInDataPlane, requireAccess } from './authorization.ts'
import { type Container, openContainer } from './container.ts'
import type { ContainerDefinition } from './container-definition.ts'
import { CosmosError } from './cosmos-error.ts'
import { parseDocumentRequest } from './document-requests.ts'
import { ConnectionReset, type FaultPlan, type Faults, planFaults, suffer } from './faults.ts'
import { describeAccount, describeContainer, describeDatabase, describeRanges } from './metadata.ts'
import { type CosmosRequest, readRequest } from './request.ts'
import { type CosmosResponse, containerHeaders, errorResponse, send } from './response.ts'
import { SqlEngine } from './sql.ts'

export type { DocumentAction } from './authorization.ts'
export type { ContainerDefinition } from './container-definition.ts'
export type { Fault, Faults } from './faults.ts'

/** An account with one database. */
export interface CosmosOptions extends Access {
  readonly port?: number
  /** Always https: the client refuses to send Entra credentials over anything else. */
  readonly certificate: Certificate
  /** Where each container keeps its journal; absent: memory only. */
  readonly dir?: string
  readonly database: string
  readonly containers: readonly ContainerDefinition[]
  /** Epoch milliseconds, for time to live. */
  readonly now?: () => number
}

/** A running server. */
export interface LocalCosmos {
  readonly url: string
  readonly faults: Faults
  stop(): Promise<void>
}

interface Account {
  readonly url: () => string
  readonly database: string
  readonly containers: ReadonlyMap<string, Container>
  readonly access: Access
  readonly faults: FaultPlan
  readonly engine: SqlEngine
}

/**
 * Starts a server of Azure Cosmos DB's REST protocol (API for NoSQL): documents, queries, transactional batches and the
 * latest-version change feed, under Entra tokens. It does what the client and its users depend on, and answers 400 or 405
 * to the rest, such as patches, stored procedures and aggregates over several partitions.
 */
export async function startCosmos(options: CosmosOptions): Promise<LocalCosmos> {
  const containers = await openContainers(options)
  const faults = planFaults()
  const { database } = options
  const account = { url: () => listener.url, database, containers, access: options, faults, engine: new SqlEngine() }
  const listener = await listen((incoming, outgoing) => void serve(account, incoming, outgoing), options)
  return {
    url: listener.url,
    faults,
    stop: async () => {
      await listener.stop()
      for (const container of containers.values()) container.close()
    },
  }
}

async function openContainers({ database, containers, dir, now = Date.now }: CosmosOptions) {
  const opened = new Map<string, Container>()
  for (const definition of containers) {
    const place = { database, now, ...(dir !== undefined && { journal: join(dir, `${definition.id}.jsonl`) }) }
    opened.set(definition.id, await openContainer(definition, place))
  }
  return opened
}

async function serve(account: Account, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  try {
    const request = await readRequest(incoming)
    send(outgoing, await answer(account, request))
  } catch (error) {
    if (error instanceof ConnectionReset) incoming.socket.destroy()
    else if (!outgoing.destroyed)
      send(outgoing, errorResponse(error instanceof CosmosError ? error : unexpected(error)))
  }
}

async function answer(account: Account, request: CosmosRequest): Promise<CosmosResponse> {
  const identity = await identify(request, account.access)
  const [dbs, database, colls, name, kind, id, ...rest] = request.path
  if (dbs === undefined && request.method === 'GET') return ok(describeAccount(account.url()))
  if (dbs !== 'dbs' || (colls !== undefined && colls !== 'colls') || rest.length > 0) throw missing()
  if (kind === undefined && request.method !== 'GET') throw notInDataPlane(request)
  if (database !== account.database) throw missing()
  if (colls === undefined) return ok(describeDatabase(database))
  const container = account.containers.get(name ?? '')
  if (!container) throw missing()
  const headers = () => containerHeaders(container)
  if (kind === undefined) return { ...ok(describeContainer(container)), headers: headers() }
  if (kind === 'pkranges' && request.method === 'GET') return { ...ok(describeRanges(container)), headers: headers() }
  if (kind !== 'docs') throw notInDataPlane(request)
  const response = await answerForDocuments(account, { identity, container, request, id })
  return { ...response, headers: { ...headers(), ...response.headers } }
}

interface DocumentCall {
  readonly identity: string
  readonly container: Container
  readonly request: CosmosRequest
  readonly id: string | undefined
}

async function answerForDocuments(account: Account, call: DocumentCall): Promise<CosmosResponse> {
  const { identity, container, request, id } = call
  const { actions, run } = parseDocumentRequest(account.engine, container, request, id)
  requireAccess(account.access, identity, container.definition.id, actions)
  const fault = account.faults.take(container.definition.id, actions)
  await suffer(fault, 'before')
  const response = run()
  await suffer(fault, 'after-commit')
  return response
}

function ok(body: string): CosmosResponse {
  return { status: 200, body }
}

function missing(): CosmosError {
  return new CosmosError(404, 'Owner resource does not exist')
}

/** A mistake of this server's own: the client sees a 500, and whoever runs the server sees why. */
function unexpected(error: unknown): CosmosError {
  console.error(error)
  return new CosmosError(500, 'The local Cosmos DB server failed')
}
