import { execFile } from 'node:child_process'
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
  unproven: z.array(z.unknown()),
})

/** As an auditor does, who signs in without a secret. */
async function verifyLog() {
  const { auditor, ca, checkpointKey, cosmos } = stack.description
  const from = new Date(Date.now() - 3_600_000).toISOString()
  const where = ['--key', checkpointKey, '--endpoint', cosmos.endpoint, '--database', cosmos.database]
  const env = {
    ...process.env,
    IDENTITY_ENDPOINT: auditor.endpoint,
    IDENTITY_HEADER: auditor.header,
    AZURE_CLIENT_ID: auditor.clientId,
    NODE_EXTRA_CA_CERTS: ca,
  }
  const args = [main, 'verify-log', ...where, '--from', from, '--json']
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
