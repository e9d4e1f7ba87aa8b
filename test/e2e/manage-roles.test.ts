import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { routeRows } from '../../functions/openapi/routes.ts'
import { type RunningStack, runStack, send } from '../running-stack.ts'
import { type AskManage, askingOf } from './operator-requests.ts'

let stack: RunningStack
let manage: AskManage

beforeAll(async () => {
  stack = await runStack()
  manage = await askingOf(stack)
})
afterAll(async () => {
  expect(await stack?.leaks()).toEqual([])
  await stack?.stop()
})

const readers = ['Rules.Read', 'Rules.Write', 'Rules.Approve', 'Trust.Write', 'Lockdown.Write']

/** Who may change the documents of a kind. */
const writers = {
  ...{ rules: 'Rules.Write', guardrails: 'Rules.Write', calendars: 'Rules.Write' },
  ...{ targets: 'Trust.Write', issuers: 'Trust.Write', lockdowns: 'Lockdown.Write' },
}

function ofDocuments([kind, writer]: [string, string]): readonly (readonly [string, readonly string[]])[] {
  const one = `${kind}/${kind === 'rules' ? '{target}/{id}' : '{id}'}`
  return [
    [`GET ${kind}`, readers],
    [`GET ${one}`, readers],
    [`PUT ${one}`, [writer]],
    [`DELETE ${one}`, [writer]],
    [`GET ${one}/versions`, readers],
    [`GET ${one}/versions/{version}`, readers],
    [`POST ${one}/versions/{version}/restore`, [writer]],
  ]
}

function ofPosture(subject: string): readonly (readonly [string, readonly string[]])[] {
  const one = `posture/${subject}/{signal}`
  return [
    [`GET ${one}`, [...readers, 'Posture.Write']],
    [`PUT ${one}`, ['Posture.Write']],
    [`DELETE ${one}`, ['Posture.Write']],
  ]
}

const subjects = ['cluster/{issuer}', 'namespace/{issuer}/{namespace}', 'node/{issuer}/{node}']
const named = ['serviceAccount/{issuer}/{namespace}/{name}', 'pod/{issuer}/{namespace}/{name}']
const seeLeases = ['Leases.Read', 'Leases.Revoke']

/** Who may ask which route: the answer to everybody else is 403. */
const table: ReadonlyMap<string, readonly string[]> = new Map([
  ...Object.entries(writers).flatMap(ofDocuments),
  ...[...subjects, ...named].flatMap(ofPosture),
  ['POST lockdowns', ['Lockdown.Write']],
  ['POST calendars/{id}/icalendar', ['Rules.Write']],
  ['POST rules/{target}/{id}/revoke-leases', ['Rules.Write', 'Leases.Revoke']],
  ['GET changes', readers],
  ['GET changes/{change}', readers],
  ['POST changes/{change}/approve', ['Rules.Approve']],
  // Whose it may be is told by the change: its author may, whoever could propose the like, and approvers.
  ['POST changes/{change}/withdraw', readers],
  ['POST evaluate', readers],
  ['POST impact', readers],
  ['GET access', readers],
  ['GET decisions', ['Decisions.Read']],
  ['GET decisions/{decision}', ['Decisions.Read']],
  ['GET leases', seeLeases],
  ['GET leases/{lease}', seeLeases],
  ['POST leases/revoke', ['Leases.Revoke']],
  ['POST leases/{lease}/revoke', ['Leases.Revoke']],
  ['POST leases/{lease}/gone', ['Leases.Revoke']],
  ['POST targets/{id}/check', ['Trust.Write']],
  ['POST issuers/{id}/check', ['Trust.Write']],
  ['GET checks/{id}', ['Trust.Write']],
])

/** Every operation that the app registers, as it is described. A test holds the description against the functions. */
const schema = z.unknown()
const documents = {
  rule: schema,
  guardrail: schema,
  target: schema,
  issuer: schema,
  calendar: schema,
  lockdown: schema,
}
const operations = routeRows({ ...documents, signal: schema })
  .filter(({ family }) => family === 'manage')
  .flatMap(({ route, paths = [`/${route}`], operations }) =>
    paths.flatMap(path =>
      Object.entries(operations).map(([method, { roles: described = [], query }]) => {
        const parameters = Object.keys(query?.shape ?? {})
        return { name: `${method.toUpperCase()} ${path.replace('/manage/', '')}`, described, parameters }
      }),
    ),
  )

/** Whatever any operation takes, and what none does. */
const everyParameter = [...new Set(operations.flatMap(({ parameters }) => parameters)), 'unknown']

/** Names of what is not there, so that whoever may ask changes nothing. */
const names = new Map([
  ['lease', `${'0'.repeat(64)}.0`],
  ...['decision', 'change', 'version'].map(name => [name, '01a2028f-ad9a-72b1-8cc6-7e1d14ca08ba'] as const),
])

const roles = [
  'Rules.Read',
  'Rules.Write',
  'Rules.Approve',
  'Trust.Write',
  'Leases.Read',
  'Leases.Revoke',
  'Decisions.Read',
  'Lockdown.Write',
  'Posture.Write',
  'Leases.Read.payments',
  'Leases.Revoke.payments',
  'Decisions.Read.payments',
]
/** What looks like a role and is none: of no namespace, or one that has no suffix. */
const none = [
  'Decisions.Read.',
  'Decisions.Readpayments',
  'Decisions.Read.*',
  'Leases.Revoke.A b',
  'Posture.Write.payments',
  'Lockdown.Write.payments',
  'decisions.read',
]

const noSuchParameter = 'expected no such parameter'
const unknownTo = (names: readonly string[]) => names.map(name => ({ pointer: `/${name}`, detail: noSuchParameter }))

/** The roles that may be for one namespace. */
const namespaced = ['Leases.Read', 'Leases.Revoke', 'Decisions.Read']

test('parameters are described', () => {
  expect(everyParameter).toEqual(expect.arrayContaining(['dryRun', 'leases', 'continuation', 'from', 'issuer']))
})

test('every route is in the table, as it is described, and nothing else is', () => {
  expect(operations.length).toBeGreaterThan(70)
  const described = operations.map(({ name, described }) => [name, described.toSorted()] as const)
  expect(new Map(described)).toEqual(new Map([...table].map(([name, may]) => [name, may.toSorted()])))
})

describe.each(operations)('$name', ({ name, parameters }) => {
  const [method = '', template = ''] = name.split(' ')
  const path = template.replaceAll(/\{(\w+)\}/g, (_, member) => names.get(member) ?? `no-${member}`)
  const ofNamespaces = template.startsWith('leases') || template.startsWith('decisions')
  const may = (table.get(name) ?? []).flatMap(role =>
    ofNamespaces && namespaced.includes(role) ? [role, `${role}.payments`] : [role],
  )

  test('is for those who have one of its roles, and for nobody else', async () => {
    const told: string[] = []
    for (const role of [...roles, ...none]) {
      const { status } = await manage(path, { method, roles: [role] })
      if (status !== 403) told.push(role)
      expect([403, 200, 202, 400, 404, 422, 428]).toContain(status)
    }
    expect(told.toSorted()).toEqual(may.toSorted())
  })

  test("is not for a caller without an operator's token", async () => {
    const url = `${stack.gateway.url}/manage/${path}`
    expect((await send(url, { method })).status).toBe(401)
    const authorization = `Bearer ${await stack.podToken()}`
    expect((await send(url, { method, headers: { authorization } })).status).toBe(401)
  })

  test('refuses every parameter of a query but those that it is described with, to those who may ask', async () => {
    for (const role of may) {
      const { status, body } = await manage(`${path}?unknown=1`, { method, roles: [role] })
      expect({ status, problems: body['problems'] }).toEqual({
        status: 400,
        problems: expect.arrayContaining(unknownTo(['unknown'])),
      })
    }
    const other = roles.find(role => !may.includes(role)) ?? ''
    expect((await manage(`${path}?unknown=1`, { method, roles: [other] })).status).toBe(403)
    expect((await send(`${stack.gateway.url}/manage/${path}?unknown=1`, { method })).status).toBe(401)
    const query = everyParameter.map(parameter => `${parameter}=1`).join('&')
    const { body } = await manage(`${path}?${query}`, { method, roles: may.slice(0, 1) })
    const refused = z.array(z.looseObject({ detail: z.string() })).parse(body['problems'])
    expect(refused.filter(({ detail }) => detail === noSuchParameter)).toEqual(
      unknownTo(everyParameter.filter(parameter => !parameters.includes(parameter))),
    )
  })

  test('tells another method which is right', async () => {
    const { status, headers } = await manage(path, { method: 'PATCH' })
    expect({ status, allowed: headers.get('allow')?.split(', ') }).toMatchObject({
      status: 405,
      allowed: expect.arrayContaining([method]),
    })
  })
})
