import { afterEach, expect, test } from 'vitest'
import { causeway, folderWith } from './causeway.ts'
import { stubGateway } from './stub-gateway.ts'

let ends: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ends) await end()
  ends = []
})

const rules = Array.from({ length: 12 }, (_, at) => ({ etag: `e${at}`, rule: { id: `r${at}`, target: 't' } }))
const issuers = [{ etag: 'e', issuer: { id: 'cluster' } }]
const removable = Object.fromEntries(
  rules.map(({ rule: { id } }) => [`DELETE /manage/rules/t/${id}?leases=keep`, [200, { removed: true }] as const]),
)

/** Runs a command on a folder, at a gateway that has twelve rules and an issuer; tells what was asked to be removed. */
async function run(args: readonly string[], files: Readonly<Record<string, unknown>>) {
  const stub = await stubGateway({
    ...{ 'POST /token': [200, { access_token: 'a' }], 'GET /manage/rules': [200, { rules }], ...removable },
    'GET /manage/issuers': [200, { issuers }],
  })
  const stack = await folderWith({ 'stack.json': stub.stackFile })
  const { folder, remove } = await folderWith(files)
  ends.push(stub.stop, stack.remove, remove)
  const [command = '', ...options] = args
  const ran = await causeway([command, folder, ...options, '--stack', stack.folder])
  return { ...ran, removed: stub.asked.filter(question => question.startsWith('DELETE')).length }
}

const prune = ['--prune', '--leases', 'keep']

test.each<[string, Readonly<Record<string, unknown>>, RegExp]>([
  ['no file at all', {}, /there is no document in/],
  ['a folder of rules without a document', { 'rules/README.yaml': '# nothing yet' }, /there is no document in/],
  [
    'a folder of rules without a document, beside another',
    { 'rules/README.yaml': '# nothing yet', 'calendars/a.yaml': { id: 'a' } },
    /rules\/ holds no document: --prune would remove all/,
  ],
])('a folder with %s removes nothing', async (_, files, because) => {
  expect(await run(['apply', ...prune], files)).toMatchObject({
    ...{ code: 1, out: '', removed: 0 },
    err: expect.stringMatching(because),
  })
  expect(await run(['plan', '--prune'], files)).toMatchObject({ code: 1, out: '' })
})

test('what is of a kind that the folder has not stays', async () => {
  const planned = await run(['plan', '--prune'], { 'issuers/a.yaml': { id: 'cluster' } })
  expect(planned).toMatchObject({ code: 0, out: 'Nothing differs; 12 are not in the folder, and stay.\n' })
})

const one = { 'rules/a.yaml': { id: 'r0', target: 't' } }

test('more than ten are removed only where that many are named, and nothing is done before', async () => {
  const planned = await run(['plan', '--prune'], one)
  expect(planned).toMatchObject({ code: 1, out: expect.stringContaining('11 to remove; 1 are not in the folder') })
  expect(planned.out).toContain('11 would be removed, more than 10: --prune-at-most 11 allows it')
  const refused = await run(['apply', ...prune], one)
  expect(refused).toMatchObject({ code: 1, out: '', removed: 0, err: expect.stringContaining('--prune-at-most 11') })
  expect(await run(['plan', '--prune', '--prune-at-most', '11'], one)).toMatchObject({ code: 2 })
  const applied = await run(['apply', ...prune, '--prune-at-most', '11'], one)
  expect(applied).toMatchObject({ code: 0, err: '', removed: 11 })
})

test.each([
  [['--prune-at-most', '11'], /goes with --prune/],
  [['--prune', '--prune-at-most', 'many'], /expected a number/],
  [['--prune', '--prune-at-most', '-1'], /prune-at-most/],
])('%j is refused', async (options, because) => {
  expect(await run(['plan', ...options], one)).toMatchObject({ code: 1, err: expect.stringMatching(because) })
})
