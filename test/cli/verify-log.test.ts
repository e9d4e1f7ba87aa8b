import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Document, documentsOf, first, fourth, keyId, type SampleLog, twoHours } from '../decisions/sample-log.ts'

const main = join(import.meta.dirname, '../../infra/cli/main.ts')
const run = promisify(execFile)

let dir: string
let log: SampleLog

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'causeway-cli-'))
  log = twoHours()
  await writeFile(join(dir, 'key.pem'), log.publicKey.export({ type: 'spki', format: 'pem' }))
  await writeFile(join(dir, 'jwk.json'), JSON.stringify(log.publicKey.export({ format: 'jwk' })))
  const jwk = { ...log.publicKey.export({ format: 'jwk' }), kid: keyId }
  await writeFile(join(dir, 'jwks.json'), JSON.stringify({ keys: [jwk] }))
  await writeFile(join(dir, 'other-kid.json'), JSON.stringify({ keys: [{ ...jwk, kid: `${keyId}0` }] }))
})
afterAll(() => rm(dir, { recursive: true }))

interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

async function causeway(...args: string[]): Promise<Ended> {
  try {
    return { code: 0, ...(await run(process.execPath, [main, ...args], { cwd: dir })) }
  } catch (error) {
    const { code, stdout, stderr } = error as Ended
    return { code, stdout, stderr }
  }
}

/** Verifies lines, by the key in `key.pem` unless said. */
async function verify(lines: readonly string[], ...args: string[]): Promise<Ended> {
  await writeFile(join(dir, 'export.jsonl'), `${lines.join('\n')}\n`)
  return causeway(
    'verify-log',
    '--file',
    'export.jsonl',
    ...(args.includes('--key') ? [] : ['--key', 'key.pem']),
    ...args,
  )
}

const linesOf = (documents: readonly Document[]) => documents.map(document => JSON.stringify(document))
const untouched = () => linesOf(documentsOf(log))
const lineOf = (lines: readonly string[], stream: string, number: number) =>
  lines.findIndex(line => line.includes(`"stream":"${stream}","id":"${String(number).padStart(12, '0')}","deployment"`))

describe('an export that nobody touched', () => {
  test.each(['key.pem', 'jwk.json', 'jwks.json'])(
    'is proven by %s: exit code 0, and from when on it is not',
    async key => {
      const { code, stdout, stderr } = await verify(untouched(), '--key', key)
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
      expect(stdout).toMatch(
        /^PROVEN: 32 records in 4 streams, 5 signed checkpoints: 000000000001 of .* to 000000000005/,
      )
      expect(stdout).toContain('Unproven from 2026-06-01T13:30:30.000Z on')
      expect(stdout).toContain(`not proven: stream ${fourth}, after record 000000000005: 2 records`)
    },
  )

  test('is told as JSON where that is asked for', async () => {
    const { code, stdout } = await verify(untouched(), '--json', '--to', '2026-06-01T14:00:00Z')
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ proven: true, findings: [], records: 32, streams: 4 })
  })

  test('is proven from a horizon on', async () => {
    const lines = untouched()
    lines.splice(lineOf(lines, first, 1), 3)
    expect((await verify(lines, '--from', '2026-06-01T12:25:00Z')).code).toBe(0)
    expect((await verify(lines)).code).toBe(2)
  })

  test('is not proven by the key of another name', async () => {
    const { code, stdout } = await verify(untouched(), '--key', 'other-kid.json')
    expect(code).toBe(2)
    expect(stdout).toContain('which is not the given key')
  })
})

describe('an export that was tampered with: exit code 2, and what and where', () => {
  const changed: readonly (readonly [string, (lines: string[]) => void, string])[] = [
    [
      'one byte of a record',
      lines => {
        const at = lineOf(lines, first, 5)
        lines[at] = (lines[at] ?? '').replace('allowed', 'bllowed')
      },
      `FOUND  stream ${first}, record 000000000005: altered: its hash is not what record 000000000006 says`,
    ],
    [
      'a record that was deleted',
      lines => lines.splice(lineOf(lines, first, 5), 1),
      `${first}, record 000000000005: missing`,
    ],
    [
      'two records that were swapped',
      lines => {
        const [a, b] = [lineOf(lines, first, 5), lineOf(lines, first, 9)]
        ;[lines[a], lines[b]] = [lines[b] ?? '', lines[a] ?? '']
      },
      `${first}, record 000000000005: swapped: it stands further down`,
    ],
    [
      'a record that was inserted',
      lines => {
        const at = lineOf(lines, first, 5)
        lines.splice(at, 0, (lines[at] ?? '').replace('allowed', 'denied'))
      },
      `${first}, record 000000000005: inserted`,
    ],
    ['a stream that was removed', lines => lines.splice(lineOf(lines, first, 1), 12), `stream ${first}: removed`],
    [
      'a tail that was cut',
      lines => lines.splice(lineOf(lines, first, 11), 2),
      `${first}, record 000000000011: cut: checkpoint 000000000002 names record 000000000012`,
    ],
    ['a checkpoint that was removed', lines => lines.splice(lines.length - 3, 1), 'checkpoint 000000000003: missing'],
    [
      'a line that is no JSON',
      lines => lines.splice(6, 1, '{"schema":1'),
      'document: unreadable: line 7 is no JSON object',
    ],
    [
      'a line of something else',
      lines => lines.splice(0, 0, '{"schema":1}'),
      'document: unreadable: line 1 is neither',
    ],
  ]

  test.each(changed)('%s', async (_, change, told) => {
    const lines = untouched()
    change(lines)
    const { code, stdout } = await verify(lines)
    expect(code).toBe(2)
    expect(stdout).toMatch(/^NOT PROVEN/)
    expect(stdout).toContain(told)
  })
})

describe('the command line', () => {
  test('explains itself', async () => {
    const { code, stdout } = await causeway('--help')
    expect(code).toBe(0)
    for (const option of ['--key', '--from', '--to', '--endpoint', '--database', '--file', '--json']) {
      expect(stdout).toContain(option)
    }
    expect(await causeway('verify-log', '--help')).toMatchObject({ code: 0, stdout })
  })

  const key = ['--key', 'key.pem']
  test.each<[string, string[]]>([
    ['there is no command prove', ['prove']],
    ["Unknown option '--forge'", ['verify-log', '--forge']],
    ['--key is missing', ['verify-log', '--file', 'export.jsonl']],
    ['expected --file, or --endpoint and --database', ['verify-log', ...key]],
    ['--file goes without --endpoint', ['verify-log', ...key, '--file', 'a', '--endpoint', 'https://x']],
    [
      '--endpoint: expected an https URL',
      ['verify-log', ...key, '--endpoint', 'x', '--database', 'x', '--from', '2026-06-01'],
    ],
    ['--from is missing', ['verify-log', ...key, '--endpoint', 'https://x', '--database', 'x']],
    ['--from: expected a time', ['verify-log', ...key, '--file', 'a', '--from', 'yesterday']],
    ['--key: cannot read nothing.pem', ['verify-log', '--key', 'nothing.pem', '--file', 'export.jsonl']],
    ['--key: expected https://NAME', ['verify-log', '--key', 'https://x/secrets/y', '--file', 'export.jsonl']],
    ['ENOENT', ['verify-log', ...key, '--file', 'nothing.jsonl']],
  ])('says "%s" in a line, and exits with 1', async (message, args) => {
    const { code, stdout, stderr } = await causeway(...args)
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr.split('\n')[0]).toContain(message)
    expect(stderr).not.toContain('    at ')
  })

  test('refuses a file that holds no key on P-256', async () => {
    await writeFile(join(dir, 'secret.json'), '{"kty":"oct","k":"c2VjcmV0"}')
    const { code, stderr } = await verify(untouched(), '--key', 'secret.json')
    expect({ code, stderr: stderr.split('\n')[0] }).toEqual({
      code: 1,
      stderr: 'causeway: --key: secret.json holds no public key on P-256, as PEM, JWK or JWK set',
    })
  })
})
