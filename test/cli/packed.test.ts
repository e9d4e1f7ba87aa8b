import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { folderWith } from './causeway.ts'
import { stubGateway } from './stub-gateway.ts'

const run = promisify(execFile)
const root = fileURLToPath(new URL('../..', import.meta.url))
let folder: string
let command: string

/** The package as npm would publish it, unpacked where npm would put it, with none of its dependencies beside it. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'causeway-test-'))
  const { stdout } = await run('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', folder], {
    cwd: root,
  })
  const [{ filename }] = JSON.parse(stdout)
  const installed = join(folder, 'node_modules', 'causeway')
  await mkdir(installed, { recursive: true })
  await run('tar', ['-xzf', join(folder, filename), '-C', installed, '--strip-components', '1'])
  const { bin } = JSON.parse(await readFile(join(installed, 'package.json'), 'utf8'))
  command = join(installed, bin.causeway)
})
afterAll(() => rm(folder, { recursive: true, force: true }))

function causeway(...args: readonly string[]) {
  const { PATH = '' } = process.env
  const env = { PATH, HOME: folder, AZURE_TOKEN_CREDENTIALS: 'EnvironmentCredential' }
  const ran = run(process.execPath, [command, ...args], { env, cwd: folder })
  return ran
    .then(done => ({ code: 0, ...done }))
    .catch((error: { code: number; stdout: string; stderr: string }) => error)
}

test('the installed command shows its options', async () => {
  expect(await causeway('--help')).toMatchObject({ code: 0, stdout: expect.stringContaining('causeway plan DIR') })
})

test('the installed command plans a folder', async () => {
  const stub = await stubGateway({ 'POST /token': [200, { access_token: 'a' }] })
  const files = await folderWith({ 'stack.json': stub.stackFile, 'access/rules/a.yaml': '{ id: a, target: t }' })
  const planned = await causeway('plan', join(files.folder, 'access'), '--stack', files.folder)
  expect(planned).toMatchObject({ code: 2, stdout: expect.stringContaining('create rules/t/a') })
  stub.stop()
  await files.remove()
})

test("the installed command brings Azure's clients along", async () => {
  const files = await folderWith({ 'rules/a.yaml': '{ id: a, target: t }' })
  const planned = await causeway('plan', files.folder, '--url', 'https://gateway.example', '--audience', 'api://gw')
  expect(planned.stderr).toMatch(/^causeway: cannot sign in for the audience api:\/\/gw/)
  const verified = await causeway(
    ...['verify-log', '--key', 'https://corp.vault.azure.net/keys/none', '--from', '2026-01-01'],
    ...['--endpoint', 'https://localhost:1/', '--database', 'none'],
  )
  expect(verified.stderr).toMatch(/^causeway: .*Credential/)
  await files.remove()
})

// Last: nothing else of the package works without its bundle.
test('the command says in one line that it was not built', async () => {
  await rm(join(folder, 'node_modules', 'causeway', 'dist'), { recursive: true })
  const ran = await causeway('--help')
  expect(ran).toMatchObject({ code: 1, stdout: '' })
  expect(ran.stderr).toMatch(/^causeway: it is not built yet: run "npm run build".*\n$/)
})
