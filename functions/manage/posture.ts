import type { HttpResponseInit } from '@azure/functions'
import type { DocumentName } from '../../shared/document-kind.ts'
import type { ManageGateway } from '../../shared/gateway.ts'
import type { Workload } from '../../shared/workload/workload.ts'
import { jsonAnswer } from '../answer.ts'
import { readJson } from '../read-body.ts'
import { inForceWithin } from './in-force.ts'
import { type Answering, type Asked, managedRoutes } from './managed-route.ts'
import { asOperator, readers } from './operator.ts'
import { problem } from './problem.ts'
import { methodNotAllowed, noQuery } from './search-query.ts'

const reading = { roles: [...readers, 'Posture.Write'], query: noQuery } as const
const writing = { roles: ['Posture.Write'], query: noQuery } as const

const bodyBytes = 4 * 1024

/** As Kubernetes names objects (RFC 1123 subdomain), which issuers' ids are too: nothing that a path would have to encode. */
const objectName = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/

/**
 * `/manage/posture/{kind}/{subject}/{signal}`: what scanners observed. The subject is as many names as its kind has, so
 * the route takes all that there is.
 */
export function registerPosture(manage: ManageGateway): void {
  managedRoutes(manage)('posture', 'manage/posture/{*path}', answer)
}

function answer(asked: Asked): Answering {
  const name = nameIn(asked)
  switch (asked.request.method) {
    case 'GET':
      return asOperator(asked, reading, () => (name ? get(asked, name) : noSuchName()))
    case 'PUT':
      return asOperator(asked, writing, operator => (name ? put(asked, name, operator) : noSuchName()))
    case 'DELETE':
      return asOperator(asked, writing, operator => (name ? remove(asked, name, operator) : noSuchName()))
    default:
      return methodNotAllowed('GET, PUT, DELETE')
  }
}

/** The signal that the path names: kind, names, and last the signal's id. */
function nameIn({ request, manage }: Asked): DocumentName | undefined {
  const parts = (request.params['path'] ?? '').split('/')
  const [kind = '', ...names] = parts.slice(0, -1)
  const name = { id: parts.at(-1) ?? '', partition: [kind, ...names].join('/') }
  return names.every(part => objectName.test(part)) && manage.posture.isSignalName(name) ? name : undefined
}

async function get({ manage }: Asked, name: DocumentName): Promise<HttpResponseInit> {
  const signal = await manage.posture.read(name)
  return signal ? jsonAnswer(200, { signal }) : notThere()
}

/** Needs no `If-Match`: a scanner reports what it sees now, whatever was there. */
async function put({ request, manage }: Asked, name: DocumentName, operator: Workload): Promise<HttpResponseInit> {
  const observation = await readJson(request, bodyBytes)
  if (observation === undefined) return problem(400, { detail: 'expected a JSON document' })
  const outcome = await manage.posture.put(name, observation, operator)
  switch (outcome.kind) {
    case 'written':
      return jsonAnswer(200, { signal: outcome.signal, inForceWithin })
    case 'older':
      return problem(409, { detail: `a later observation is there already, of ${outcome.observedAt}` })
    case 'invalid':
      return problem(422, { detail: 'the observation was not saved', problems: outcome.problems })
  }
}

async function remove({ manage }: Asked, name: DocumentName, operator: Workload): Promise<HttpResponseInit> {
  const isRemoved = await manage.posture.remove(name, operator)
  return isRemoved ? jsonAnswer(200, { removed: true, inForceWithin }) : notThere()
}

function notThere(): HttpResponseInit {
  return problem(404, { detail: 'there is no such signal' })
}

async function noSuchName(): Promise<HttpResponseInit> {
  const shapes = ['cluster/{issuer}', 'namespace/{issuer}/{namespace}', 'node/{issuer}/{node}']
  const named = ['serviceAccount/{issuer}/{namespace}/{name}', 'pod/{issuer}/{namespace}/{name}']
  return problem(404, {
    detail: `expected /manage/posture/ and one of ${[...shapes, ...named].join(', ')}, and /{signal}`,
  })
}
