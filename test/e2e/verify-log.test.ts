import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { type RunningStack, runStack } from '../running-stack.ts'

const main = join(import.meta.dirname, '../../infra/cli/main.ts')
const run = promisify(execFile)

let stack: RunningStack

beforeAll(async () => {
  stack = await runStack()
})
afterAll(() => stack?.stop())

const verdictSchema = z.object({
  proven: z.boolean(),
  findings: z.array(z.object({ kind: z.string(), stream: z.string().optional(), id: z.string().optional() })),
  records: z.int(),
  checkpoints: z.object({ count: z.int() }),
  copies: z.object({ compared: z.int(), beyond: z.int() }).optional(),
  doubts: z.array(z.string()),
  unproven: z.array(z.unknown()),
})

/** As an auditor does, who signs in without a secret. */
async function verifyLog(more: readonly string[] = []) {
  const { cosmos } = stack.description
  const from = new Date(Date.now() - 3_600_000).toISOString()
  return verify(['--endpoint', cosmos.endpoint, '--database', cosmos.database, '--from', from, ...more])
}

async function verify(where: readonly string[]) {
  const { auditor, ca, checkpointKey } = stack.description
  const env = {
    ...process.env,
    IDENTITY_ENDPOINT: auditor.endpoint,
    IDENTITY_HEADER: auditor.header,
    AZURE_CLIENT_ID: auditor.clientId,
    NODE_EXTRA_CA_CERTS: ca,
  }
  const args = [main, 'verify-log', '--key', checkpointKey, ...where, '--json']
  const { stdout, code } = await run(process.execPath, args, { env }).then(
    ended => ({ ...ended, code: 0 }),
    (ended: { stdout: string; stderr: string; code: number }) => {
      if (ended.code !== 2) throw new Error(ended.stderr)
      return ended
    },
  )
  return { code, ...verdictSchema.parse(JSON.parse(stdout)) }
}

test('what a running gateway decided is proven once the timer has signed it, and what is altered afterwards is named', async () => {
  for (const scope of ['read', 'write']) await stack.issue({ audience: 'orders-db', scope })
  await stack.exchange({ audience: 'mainframe-ftp' })
  await stack.gateway.runTimer('checkpoint')
  const signed = await verifyLog()
  expect(signed).toMatchObject({ code: 0, proven: true, findings: [] })
  expect(signed.records).toBeGreaterThanOrEqual(4)
  expect(stack.output.some(line => line.includes('"heads":[{"stream"'))).toBe(true)

  const [record] = (await stack.records()).filter(({ kind }) => kind === 'exchange')
  const { id, stream } = z.object({ id: z.string(), stream: z.string() }).parse(record)
  await stack.documents
    .container('decisions')
    .item(id, stream)
    .replace({ ...record, outcome: 'failed' })
  const altered = await verifyLog()
  expect(altered).toMatchObject({ code: 2, proven: false, findings: [{ kind: 'altered', stream, id }] })
})

test('what the gateway printed is what its log holds, and what the README exports is judged as the log itself', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'causeway-export-'))
  try {
    for (let count = 0; count < 3; count++) await stack.exchange({ audience: 'mainframe-ftp' })
    await stack.gateway.runTimer('checkpoint')
    await writeFile(join(dir, 'printed.log'), `${stack.output.join('\n')}\n`)
    const { copies, findings } = await verifyLog(['--checkpoints', join(dir, 'printed.log')])
    expect(copies?.compared).toBeGreaterThan(0)

    const readme = readFileSync(join(import.meta.dirname, '../../README.md'), 'utf8')
    const [, commands = ''] = /```sh\n(page\(\).*?)```/s.exec(readme) ?? []
    // A page of one document, so that there is more than one of each.
    const script = `today=$(date -u +%Y-%m-%d)\n${commands.replace('limit=500', 'limit=1')}`
    const OPERATOR = await stack.operatorToken()
    await run('bash', ['-ec', script], { env: { ...process.env, DIR: dir, GW: stack.gateway.url, OPERATOR } })
    const lines = readFileSync(join(dir, 'export.jsonl'), 'utf8').trimEnd().split('\n')
    expect(lines.length).toBeGreaterThan(6)
    const exported = await verify(['--file', join(dir, 'export.jsonl')])
    expect(exported.findings).toEqual(findings)
    expect(exported.records).toBeGreaterThan(3)
  } finally {
    await rm(dir, { recursive: true })
  }
})

test('what somebody puts among the registrations is an alarm of the timer, and is found', async () => {
  const hour = new Date().toISOString().slice(0, 13)
  const id = randomUUID()
  await stack.documents.container('streams').items.create({ id, hour, stream: '2020-01-01T00/x/0' })
  await stack.gateway.runTimer('checkpoint')
  await expect.poll(() => stack.output.filter(line => line.includes('"foreign":[')).join()).toContain(`${hour}: ${id}`)
  expect((await verifyLog()).findings).toContainEqual({ kind: 'inserted', id })
})
