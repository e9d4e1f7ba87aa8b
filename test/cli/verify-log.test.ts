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

const at = (lines: readonly string[], index: number) => lines[index] ?? ''
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
    const { code, stdout } = await verify(untouched(), '--json', '--to', '2026-06-01T13:45:00Z')
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ proven: true, findings: [], records: 32, streams: 4 })
  })

  test('is proven from a horizon on', async () => {
    const lines = untouched()
    lines.splice(lineOf(lines, first, 1), 3)
    expect((await verify(lines, '--from', '2026-06-01T12:25:00Z')).code).toBe(0)
    expect((await verify(lines)).code).toBe(2)
  })

  test('tells its deployment, and is not proven to be of another', async () => {
    expect((await verify(untouched(), '--deployment', 'test')).stdout).toContain('Deployment: test')
    expect((await verify(untouched(), '--deployment', 'prod')).code).toBe(2)
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

describe('a line that could be read in two ways is unreadable, and nothing is proven of it', () => {
  const written: readonly (readonly [string, (line: string) => string])[] = [
    ['a member that stands twice', line => line.replace('{"schema":1,', '{"outcome":"denied","schema":1,')],
    ['an escaped name', line => line.replace('"outcome"', '"\\u006futcome"')],
    ['a number with more digits than are read', line => line.replace('"ttl":34560000', '"ttl":34560000.0000000000001')],
    ['a number that is too large', line => line.replace('"ttl":34560000', '"ttl":1e999')],
    ['spaces', line => line.replace('{"schema":1,', '{"schema": 1,')],
  ]

  test.each(written)('%s', async (_, change) => {
    const lines = untouched()
    const place = lineOf(lines, first, 5)
    lines[place] = change(at(lines, place))
    expect(lines[place]).not.toBe(untouched()[place])
    const { code, stdout } = await verify(lines)
    expect(code).toBe(2)
    expect(stdout).toContain(`document: unreadable: line ${place + 1} is not written as the gateway exports it`)
  })

  test('a checkpoint, or the opening of a stream, whose tell-tale member is escaped', async () => {
    for (const member of ['heads', 'predecessor']) {
      const lines = untouched()
      const place = lines.findLastIndex(line => line.includes(`"${member}"`))
      lines[place] = at(lines, place).replace(
        `"${member}"`,
        `"\\u00${member.charCodeAt(0).toString(16)}${member.slice(1)}"`,
      )
      const { code, stdout } = await verify(lines)
      expect(code).toBe(2)
      expect(stdout).toContain(`unreadable: line ${place + 1}`)
    }
  })

  test('a line longer than any document, wherever the file ends or is cut into pieces', async () => {
    for (const length of [1_000_001, 1_500_000, 2_500_000]) {
      const lines = untouched()
      lines.splice(3, 0, JSON.stringify({ note: 'x'.repeat(length) }))
      const { code, stdout } = await verify(lines)
      expect(code).toBe(2)
      expect(stdout).toContain('document: unreadable: line 4 is longer than any document')
      expect(stdout).toMatch(/^NOT PROVEN: 32 records in 4 streams, 5 signed checkpoints/)
    }
  })

  test('of very many such lines the first hundred are told, and the others counted', async () => {
    const { stdout } = await verify([...untouched(), ...Array.from({ length: 5_000 }, () => '{')], '--json')
    const { findings } = JSON.parse(stdout)
    expect(findings.length).toBe(101)
    expect(findings.at(-1).because).toBe('so are 4900 more lines')
  })

  test('a record that passes for a registration is told', async () => {
    const forged = { schema: 1, stream: first, id: 'x', kind: 'exchange', previous: 'x', openedAt: '', boot: '' }
    const { code, stdout } = await verify([...untouched(), JSON.stringify(forged)])
    expect(code).toBe(2)
    expect(stdout).toContain('FOUND  registration x: inserted')
  })

  test('a byte order mark, or lines that end as on Windows, are none', async () => {
    const [head = '', ...rest] = untouched()
    expect((await verify([`\ufeff${head}\r`, ...rest.map(line => `${line}\r`)])).code).toBe(0)
  })
})

describe('what the log quotes', () => {
  const hostile = '\u001b[2J\u001b[HPROVEN: all\u009b8m\u202e\u2028\u007f'

  test.each([[], ['--json']])('moves no cursor and begins no line, as text or with %s', async (...args) => {
    const log = twoHours()
    const bad = `2026-06-01T12/${hostile}${'x'.repeat(5_000)}/0`
    log.open(bad, undefined, { unresolved: { stream: hostile, from: { toString: 1 }, to: hostile.repeat(1_000) } })
    log.sign('2026-06-01T13:31:30.000Z', [fourth])
    await writeFile(join(dir, 'any.pem'), log.publicKey.export({ type: 'spki', format: 'pem' }))
    const shown = await verify(linesOf(documentsOf(log)), ...args, '--key', 'any.pem')
    expect(shown.code).toBe(2)
    expect(shown.stdout).toContain('\\u001b')
    expect(shown.stdout.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u)
    if (args.length > 0) return
    for (const line of shown.stdout.split('\n')) expect(line.length).toBeLessThan(2_500)
  })
})

describe('copies of checkpoints', () => {
  const copiesIn = async (lines: readonly string[], ...args: string[]) => {
    await writeFile(join(dir, 'printed.log'), `${lines.join('\n')}\n`)
    return verify(untouched(), '--checkpoints', 'printed.log', ...args)
  }

  test('are found among whatever else was printed, and compared', async () => {
    const { code, stdout } = await copiesIn(['started', ...linesOf(log.checkpoints), '{"level":"info"}'])
    expect(code).toBe(0)
    expect(stdout).toContain('Copies: 5 of checkpoints that are there, 0 of later ones.')
  })

  test('that say something else than the log are told: exit code 2', async () => {
    const { code, stdout } = await copiesIn(linesOf([{ ...log.checkpoints[4], open: 9 }]))
    expect(code).toBe(2)
    expect(stdout).toContain('FOUND  checkpoint 000000000005: contradicted')
  })
})

describe('a log of which less is proven than should be: exit code 3', () => {
  test('since its last checkpoint is long before the end that was asked for', async () => {
    const { code, stdout } = await verify(untouched(), '--to', '2026-06-01T14:00:00Z')
    expect(code).toBe(3)
    expect(stdout).toMatch(/^PROVEN, WITH DOUBTS: 32 records/)
    expect(stdout).toContain('DOUBT  the last checkpoint is of 2026-06-01T13:30:30.000Z')
  })

  test('since records stand where checkpoints have done with', async () => {
    const log = twoHours()
    log.write(first, 1)
    await writeFile(join(dir, 'late.pem'), log.publicKey.export({ type: 'spki', format: 'pem' }))
    const { code, stdout } = await verify(linesOf(documentsOf(log)), '--key', 'late.pem')
    expect(code).toBe(3)
    expect(stdout).toContain('records of 1 stream were written after the last look')
  })
})

describe('the command line', () => {
  test('explains itself', async () => {
    const { code, stdout } = await causeway('--help')
    expect(code).toBe(0)
    for (const option of [
      '--key',
      '--from',
      '--to',
      '--endpoint',
      '--database',
      '--file',
      '--checkpoints',
      '--deployment',
      '--json',
    ]) {
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
    ['--to: expected a time', ['verify-log', ...key, '--file', 'a', '--to', '']],
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
