import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { causeway, folderWith } from './causeway.ts'
import { stubGateway } from './stub-gateway.ts'

let ends: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ends) await end()
  ends = []
})

const page = '<html>Sign in</html>'
const files = { token: 'a.b.c', 'access/rules/a.json': { id: 'a', target: 't' } }

/** The line that a command ends with where its gateway answers so. */
async function lineOf(command: (folder: string) => readonly string[], answers: Parameters<typeof stubGateway>[0]) {
  const stub = await stubGateway({ 'POST /token': [200, { access_token: 'a' }], ...answers })
  const { folder, remove } = await folderWith({ 'stack.json': stub.stackFile, ...files })
  ends.push(stub.stop, remove)
  const env = { CAUSEWAY_TOKEN_FILE: join(folder, 'token') }
  const { code, out, err } = await causeway([...command(folder), '--stack', folder], env)
  expect({ code, out }).toEqual({ code: 1, out: '' })
  return err.replaceAll(stub.stackFile.gateway, 'GATEWAY')
}

describe('what answers 200 with something else is named, and not taken for a gateway', () => {
  test.each<[string, (folder: string) => readonly string[], string]>([
    ['plan', folder => ['plan', join(folder, 'access')], 'GET /manage/issuers'],
    ['apply', folder => ['apply', join(folder, 'access')], 'GET /manage/issuers'],
    ['exchange', () => ['exchange', 'orders-db'], 'POST /token'],
    ['doctor of an issuer', () => ['doctor', 'issuer', 'a'], 'POST /manage/issuers/a/check'],
  ])('%s', async (_, command, question) => {
    const [, path] = question.split(' ')
    const line = await lineOf(command, { [question]: [200, page] })
    expect(line).toBe(`causeway: GATEWAY${path} answers with something else than a Causeway gateway\n`)
  })

  test('doctor of a target', async () => {
    const line = await lineOf(() => ['doctor', 'a'], { 'POST /manage/targets/a/check': [200, page] })
    const because = '200 from GATEWAY/manage/targets/a/check, which answers with something else than a Causeway gateway'
    expect(line).toBe(`causeway: target a: ${because}\n`)
  })

  test('a redirect, which is not followed', async () => {
    const line = await lineOf(() => ['exchange', 'a'], { 'POST /token': [302, page] })
    expect(line).toMatch(/^causeway: no credential of a: 302 from GATEWAY\/token, which answers with something else/)
  })
})

test('a document that is too large for the gateway is said to be so', async () => {
  const line = await lineOf(folder => ['apply', join(folder, 'access')], { 'PUT /manage/rules/t/a': [413, ''] })
  expect(line).toBe('causeway: create rules/t/a: 413 what was sent is more than GATEWAY/manage/rules/t/a takes\n')
})

test('who cannot sign in learns for what, and how', async () => {
  const { folder, remove } = await folderWith(files)
  ends.push(remove)
  const args = ['plan', join(folder, 'access'), '--url', 'https://gateway.example', '--audience', 'api://gw']
  const { code, out, err } = await causeway(args, { AZURE_TOKEN_CREDENTIALS: 'EnvironmentCredential' })
  expect({ code, out }).toEqual({ code: 1, out: '' })
  expect(err).toMatch(/^causeway: cannot sign in for the audience api:\/\/gw: expected az login, or AZURE_TENANT_ID, /)
})
