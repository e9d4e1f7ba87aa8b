import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Document, type RunningStack, runStack, send } from '../running-stack.ts'
import { causeway, folderOf, folderWith, type Ran } from './causeway.ts'

let stack: RunningStack
let files: Awaited<ReturnType<typeof folderWith>>

const rule = (changes: Document = {}) => ({
  ...{ schema: 1, id: 'reports', target: 'archive', effect: 'allow', scopes: ['login'] },
  ...{ workloads: [{ issuer: 'cluster-b', namespace: 'reports' }] },
  conditions: { time: [{ days: ['mon'], timeZone: 'UTC', notOn: ['holidays'] }] },
  ...changes,
})

/** Everything names something that only the folder has, and nothing is in an order that could be put as it stands. */
const first = {
  'rules/reports.yaml': `# who reads the archive\n${JSON.stringify(rule())}\n`,
  'guardrails/all.yaml': [
    'schema: 1\nid: no-guests\ntarget: "*"\neffect: deny\nworkloads: [{ issuer: "*", namespace: guests }]',
    'schema: 1\nid: no-tests\ntarget: "*"\neffect: deny\nworkloads: [{ issuer: "*", namespace: tests }]',
  ].join('\n---\n'),
  'targets/nested/archive.json': {
    ...{ schema: 1, id: 'archive', provider: 'key-vault-secret', settings: {} },
    scopes: { login: { secret: { vault: 'corp', secret: 'archive' } } },
  },
  'issuers/both.yaml': [
    'schema: 1\nid: cluster-b\nissuerUrl: https://b.example/\nkind: kubernetes\naudiences: [api://causeway]',
    'actors: [{ issuer: cluster-z, subject: s }]',
    '---\nschema: 1\nid: cluster-z\nissuerUrl: https://z.example/\nkind: kubernetes\naudiences: [api://causeway]',
  ].join('\n'),
  'calendars/holidays.yml': 'schema: 1\nid: holidays\ndays: ["2026-12-25"]',
}

beforeAll(async () => {
  stack = await runStack()
  files = await folderWith(first)
})
afterAll(async () => {
  await files?.remove()
  await stack?.stop()
})

const run = (...args: readonly string[]): Promise<Ran> => causeway([...args, '--stack', folderOf(stack)])

async function stored(path: string): Promise<unknown> {
  const headers = { authorization: `Bearer ${await stack.operatorToken()}` }
  const { status, body } = await send(`${stack.gateway.url}/manage/${path}`, { headers })
  return status === 200 ? body : status
}

test('a folder is planned, applied in an order that references allow, and then nothing differs', async () => {
  const planned = await run('plan', files.folder)
  expect(planned).toMatchObject({ code: 2, err: '' })
  expect(planned.out).toContain('create rules/archive/reports')
  expect(planned.out).toContain('this may be since issuers/cluster-z is changed first')
  expect(planned.out).toContain('7 to create, 0 to replace, 0 to remove')
  expect(await stored('rules/archive/reports')).toBe(404)
  expect(await run('apply', files.folder)).toMatchObject({ code: 0, err: '' })
  expect(await stored('rules/archive/reports')).toMatchObject({ rule: rule() })
  expect(await run('plan', files.folder)).toMatchObject({ code: 0, out: expect.stringContaining('Nothing differs') })
  expect(await run('apply', files.folder)).toMatchObject({ code: 0, out: expect.stringContaining('Nothing differs') })
})

test('a replacement is shown place by place', async () => {
  await files.write('rules/reports.yaml', rule({ grant: { ttl: 'PT5M' }, priority: 7 }))
  const { out } = await run('plan', files.folder)
  expect(out).toContain('replace rules/archive/reports')
  expect(out).toContain('+ /priority: 7')
  expect(out).toMatch(/1 to replace.*are not in the folder, and stay/)
  expect((await run('apply', files.folder)).code).toBe(0)
  expect(await stored('rules/archive/reports')).toMatchObject({ rule: { priority: 7 } })
})

test('it stops at the first refusal with what is wrong, and a rerun goes on', async () => {
  await files.write('calendars/more.yaml', 'schema: 1\nid: more\ndays: ["2026-12-26"]')
  await files.write('rules/reports.yaml', rule({ scopes: ['no-such-scope'] }))
  const stopped = await run('apply', files.folder)
  expect(stopped).toMatchObject({
    code: 1,
    err: expect.stringMatching(/^causeway: replace rules\/archive\/reports: 422/),
  })
  expect(stopped.err).toContain('no-such-scope')
  expect(await stored('calendars/more')).toMatchObject({ calendar: { id: 'more' } })
  await files.write('rules/reports.yaml', rule())
  expect((await run('apply', files.folder)).code).toBe(0)
  expect((await run('plan', files.folder)).code).toBe(0)
})

test('what the folder has not is removed where that is said, in reverse order, and rules only with their leases', async () => {
  expect((await run('plan', files.folder, '--prune')).out).toContain('remove rules/orders-db/payments-api-orders')
  const unsaid = await run('apply', files.folder, '--prune')
  expect(unsaid).toMatchObject({ code: 1, err: expect.stringContaining('--leases is missing') })
  expect(await stored('rules/orders-db/payments-api-orders')).toMatchObject({ rule: { target: 'orders-db' } })
  expect(await run('apply', files.folder, '--prune', '--leases', 'keep')).toMatchObject({ code: 0, err: '' })
  expect(await stored('rules/orders-db/payments-api-orders')).toBe(404)
  expect(await stored('targets/orders-db')).toBe(404)
  expect(await run('plan', files.folder, '--prune')).toMatchObject({ code: 0 })
})

test.each<[string, Readonly<Record<string, unknown>>, RegExp]>([
  ['a folder of no kind', { 'rule/a.yaml': rule() }, /rule: expected documents in issuers\//],
  ['a file beside the folders', { 'a.yaml': rule() }, /a\.yaml: expected documents in/],
  [
    'a document twice',
    { 'rules/a.yaml': rule(), 'rules/b.yaml': rule() },
    /is in rules\/a\.yaml and in rules\/b\.yaml/,
  ],
  ['YAML that is none', { 'rules/a.yaml': 'id: a\nid: b' }, /rules\/a\.yaml: /],
  ['a document without an id', { 'rules/a.json': {} }, /rules\/a\.json: \/id: expected text/],
  [
    'a rule without a target',
    { 'rules/a.json': [rule(), rule({ id: 'b', target: undefined })] },
    /rules\/a\.json: \/target of "b": expected text/,
  ],
  [
    'a file of another kind',
    { 'rules/a.yaml': rule(), 'rules/b.yaml.bak': rule() },
    /b\.yaml\.bak: expected a file of/,
  ],
])('%s is refused before anything is done', async (_, given, problem) => {
  const wrong = await folderWith(given)
  const ran = await run('apply', wrong.folder, '--prune', '--leases', 'keep')
  await wrong.remove()
  expect(ran).toMatchObject({ code: 1, out: '', err: expect.stringMatching(problem) })
})

test.each<[string, readonly string[], RegExp]>([
  ['an unknown option', ['plan', '.', '--force'], /--force/],
  ['an unknown command', ['destroy'], /there is no command destroy/],
  ['no folder', ['plan'], /DIR is missing/],
  ['a plain http gateway elsewhere', ['plan', '.', '--url', 'http://gateway.example'], /expected an https URL/],
  ['a stack that is none', ['plan', '.', '--stack', join('no', 'such')], /--stack: expected a folder/],
  ['no audience', ['plan', '.', '--url', 'https://gateway.example'], /--audience is missing/],
])('%s is refused in a line on standard error', async (_, args, problem) => {
  expect(await causeway(args)).toMatchObject({ code: 1, out: '', err: expect.stringMatching(problem) })
})
