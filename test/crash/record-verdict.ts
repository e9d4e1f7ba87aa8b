import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { z } from 'zod'
import type { RunningStack } from '../running-stack.ts'

const main = fileURLToPath(new URL('../../infra/cli/main.ts', import.meta.url))
const run = promisify(execFile)

const verdict = z.object({
  proven: z.boolean(),
  findings: z.array(z.unknown()),
  streams: z.int(),
  records: z.int(),
  unresolved: z.array(z.string()),
})

/** What `causeway verify-log` says of a stack's log. Throws what it printed where it could not be verified. */
export async function verifyLogOf({ description }: RunningStack, from: number) {
  const { auditor, ca, checkpointKey, cosmos } = description
  const where = ['--key', checkpointKey, '--endpoint', cosmos.endpoint, '--database', cosmos.database]
  const args = [main, 'verify-log', ...where, '--from', new Date(from).toISOString(), '--json']
  const env = {
    ...process.env,
    IDENTITY_ENDPOINT: auditor.endpoint,
    IDENTITY_HEADER: auditor.header,
    AZURE_CLIENT_ID: auditor.clientId,
    NODE_EXTRA_CA_CERTS: ca,
  }
  const { code, stdout, stderr } = await run(process.execPath, args, { env, maxBuffer: 1 << 26 }).then(
    ended => ({ ...ended, code: 0 }),
    (ended: { stdout: string; stderr: string; code: number }) => ended,
  )
  if (code !== 0 && code !== 2) throw new Error(stderr)
  return { code, ...verdict.parse(JSON.parse(stdout)) }
}
