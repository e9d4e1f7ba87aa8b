import { afterEach, expect, test } from 'vitest'
import { causeway, folderWith } from './causeway.ts'
import { stubGateway } from './stub-gateway.ts'

const put = '/manage/rules/archive/reports'
const signedIn = { 'POST /token': [200, { access_token: 'a' }] } as const
const withDryRun = {
  'GET /openapi.json': [
    200,
    { paths: { '/manage/rules/{target}/{id}': { put: { parameters: [{ name: 'dryRun', in: 'query' }] } } } },
  ],
} as const

let ends: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ends) await end()
  ends = []
})

async function run(command: string, answers: Parameters<typeof stubGateway>[0]) {
  const stub = await stubGateway({ ...signedIn, ...answers })
  const files = await folderWith({ 'rules/a.json': { id: 'reports', target: 'archive' } })
  const stack = await folderWith({ 'stack.json': stub.stackFile })
  ends.push(stub.stop, files.remove, stack.remove)
  const ran = await causeway([command, files.folder, '--stack', stack.folder])
  return { ...ran, puts: stub.asked.filter(question => question.startsWith('PUT')) }
}

test('plan tells lint, impact and approval where the gateway offers a dry run, and saves nothing', async () => {
  const foreseen = { lint: ['it is never met'], impact: { newlyDenied: [{ calls: 412 }] }, requiresApproval: true }
  const { code, out, puts } = await run('plan', { ...withDryRun, [`PUT ${put}?dryRun=true`]: [200, foreseen] })
  expect({ code, puts }).toEqual({ code: 2, puts: [`PUT ${put}?dryRun=true`] })
  expect(out).toContain('lint: it is never met')
  expect(out).toContain('impact: newlyDenied: [{"calls":412}]')
  expect(out).toContain('waits for the approval of a second person')
})

test('plan tries nothing at a gateway that would take a dry run for a save', async () => {
  const { code, out, puts } = await run('plan', {})
  expect({ code, puts }).toEqual({ code: 2, puts: [] })
  expect(out).toContain('This gateway offers no dry run')
})

test('plan ends with 1 where the gateway would refuse the change, and tells why', async () => {
  const refused = { detail: 'not saved', problems: [{ pointer: '/effect', detail: 'expected allow or deny' }] }
  const { code, out } = await run('plan', { ...withDryRun, [`PUT ${put}?dryRun=true`]: [422, refused] })
  expect(code).toBe(1)
  expect(out).toContain('/effect: expected allow or deny')
})

test('apply tells which changes wait for a second person, and ends with 2', async () => {
  const { code, out } = await run('apply', { [`PUT ${put}`]: [202, { change: 'change-1' }] })
  expect(code).toBe(2)
  expect(out).toContain('waits for the approval of a second person: change change-1')
})

test('plan shows the difference that the gateway tells, which may have changed meanwhile', async () => {
  const diff = [
    { pointer: '/priority', before: 7, after: 5 },
    { pointer: '', after: { id: 'reports' } },
  ]
  const { code, out } = await run('plan', {
    ...withDryRun,
    'GET /manage/rules': [200, { rules: [{ etag: 'e', rule: { id: 'reports', target: 'archive', priority: 6 } }] }],
    [`PUT ${put}?dryRun=true`]: [200, { dryRun: true, diff }],
  })
  expect(code).toBe(2)
  expect(out).toBe(
    [
      'replace rules/archive/reports',
      '    ~ /priority: 7 -> 5',
      '    + "": {"id":"reports"}',
      '0 to create, 1 to replace, 0 to remove.\n',
    ].join('\n'),
  )
})

test('plan ends with 1 where a change would be refused for more than what an earlier one makes', async () => {
  const refused = { detail: 'not saved', problems: [{ pointer: '/effect', detail: 'expected allow or deny' }] }
  const stub = await stubGateway({
    ...signedIn,
    ...withDryRun,
    'PUT /manage/targets/archive?dryRun=true': [200, { dryRun: true, diff: [] }],
    [`PUT ${put}?dryRun=true`]: [422, refused],
  })
  const files = await folderWith({
    'targets/a.json': { id: 'archive' },
    'rules/a.json': { id: 'reports', target: 'archive' },
  })
  const stack = await folderWith({ 'stack.json': stub.stackFile })
  ends.push(stub.stop, files.remove, stack.remove)
  expect(await causeway(['plan', files.folder, '--stack', stack.folder])).toMatchObject({ code: 1 })
})
