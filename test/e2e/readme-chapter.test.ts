import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { folderOf } from '../cli/causeway.ts'
import { type RunningStack, runStack } from '../running-stack.ts'
import { until } from './until.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8')
const chapter = readme.slice(readme.indexOf('\n## Operating it\n'), readme.indexOf('\n## On Azure\n'))
const sections = chapter.split('\n### ').map(text => {
  const commands = [...text.matchAll(/```sh\n(.*?)```/gs)].map(([, block = '']) => block)
  return { title: text.trimStart().split('\n', 1).join(), commands }
})

/** What one block of commands printed, what it asked by HTTP with which answer, and how the command ended each time. */
interface Block {
  readonly out: string
  readonly asked: readonly string[]
  readonly codes: readonly string[]
}

let stack: RunningStack
/** In the order of the chapter. */
let blocks: readonly Block[]

/**
 * A shell that tells of each request and each run of the command on standard error. Where the chapter waits for instances
 * to see a change, or for the timer, it waits for the test, which need not sleep as long.
 */
const prelude = `
curl() { command curl -w '%{stderr}@@asked %{http_code} %{method} %{url_effective}\\n' "$@"; }
npx() { command npx "$@"; local code=$?; echo "@@ended $code $1 $2 $3" >&2; return $code; }
sleep() { command curl -s "$WAITING/$1"; }
`

beforeAll(async () => {
  stack = await runStack()
  const waiting = createServer((_, response) => {
    pause(3_000)
      .then(endLeases)
      .then(
        () => response.end(),
        error => response.destroy(error),
      )
  })
  await new Promise<void>(resolve => waiting.listen(0, '127.0.0.1', resolve))
  const { port } = waiting.address() as AddressInfo
  const all = sections.flatMap(({ commands }) => commands)
  const script = all.map(block => `echo @@block; echo @@block >&2\n${block}`).join('\n')
  const { out, err } = await runBash(`${prelude}${script}`, {
    ...{ GW: stack.gateway.url, DIR: folderOf(stack), CLUSTER: stack.cluster.issuerUrl },
    ...{ TOKEN: await stack.podToken(), OPERATOR: await stack.operatorToken() },
    APPROVER: await stack.operatorToken({ application: 'approver' }),
    WAITING: `http://127.0.0.1:${port}`,
  })
  waiting.close()
  const [outs, errs] = [out, err].map(text => text.split('@@block\n').slice(1))
  blocks = all.map((_, at) => blockOf(outs?.[at] ?? '', errs?.[at] ?? ''))
}, 300_000)
afterAll(() => stack?.stop())

/** What the timer does within a minute or two, at once. */
async function endLeases(): Promise<void> {
  const revoking = async () => (await stack.leases()).filter(({ state }) => state === 'revoking')
  for (const { id } of await revoking()) await stack.changeLease(String(id), { mintUntil: new Date().toISOString() })
  const afterTimer = () => stack.gateway.runTimer('revoke-expired').then(revoking)
  await until(afterTimer, ({ length }) => length === 0)
}

function runBash(script: string, variables: Readonly<Record<string, string>>): Promise<{ out: string; err: string }> {
  const { PATH = '', HOME = '' } = process.env
  const shell = spawn('bash', ['-c', script], { cwd: root, env: { PATH, HOME, ...variables } })
  const printed = { out: '', err: '' }
  shell.stdout.on('data', text => (printed.out += text))
  shell.stderr.on('data', text => (printed.err += text))
  return new Promise(resolve => shell.on('close', () => resolve(printed)))
}

function blockOf(out: string, err: string): Block {
  const gateway = `${stack.gateway.url}/`
  const linesOf = (mark: string) => [...err.matchAll(new RegExp(`^@@${mark} (.*)$`, 'gm'))].map(([, line = '']) => line)
  return { out, asked: linesOf('asked').map(line => line.replace(gateway, '')), codes: linesOf('ended') }
}

/** What a section's blocks asked: status, method and path, without ids and queries. */
function told(title: string, at = 0): Block {
  const before = sections.slice(
    0,
    sections.findIndex(section => section.title === title),
  )
  const block = blocks[before.flatMap(({ commands }) => commands).length + at]
  if (!block) throw new Error(`there is no block ${at} of "${title}"`)
  return {
    ...block,
    asked: block.asked.map(line => line.replace(/\?.*/, '').replace(/[0-9a-f]{8}-[0-9a-f-]{27}/, '{id}')),
  }
}

test('there is something to run: every command of the chapter, in order', () => {
  expect(sections.map(({ title, commands }) => [title, commands.length])).toEqual([
    ['## Operating it', 1],
    ['Who may', 0],
    ['A new cluster', 2],
    ['A rule, by two persons', 3],
    ['The login', 1],
    ['An incident', 3],
    ['What the log tells', 2],
    ['Rules in git', 1],
    ['The end of the story', 1],
  ])
})

test('nothing is refused but what the chapter says: the pod without a rule, and the pod that is locked out', () => {
  const refused = blocks.flatMap(({ asked }) => asked.filter(line => !line.startsWith('2')))
  expect(refused).toEqual(['400 POST token', '400 POST token'])
})

describe('the chapter does what it says', () => {
  test('a new cluster: the doctor finds the audience, and then that it is not in use', () => {
    const { out, asked, codes } = told('A new cluster')
    expect(asked).toEqual([
      '201 PUT manage/issuers/aks-new',
      '200 POST manage/issuers/aks-new/check',
      '200 GET manage/issuers/aks-new',
      '200 PUT manage/issuers/aks-new',
    ])
    const [, quoted = ''] = /The first check ends in\s+`(.*?)`/s.exec(chapter) ?? []
    expect(out).toContain(quoted)
    expect(quoted).toContain('token_audience')
    expect([...out.matchAll(/^FAIL {2}(\S+):/gm)].map(([, step]) => step)).toEqual(['enabled'])
    expect(out).toContain('A rule for this workload:')
    expect(codes).toEqual(['2 causeway doctor issuer', '0 causeway doctor target'])
    expect(told('A new cluster', 1).asked).toEqual([
      '200 GET manage/issuers/aks-local',
      '200 GET manage/issuers/aks-local',
      '200 PUT manage/issuers/aks-local',
      '200 GET manage/issuers/aks-new',
      '200 PUT manage/issuers/aks-new',
      '200 GET manage/issuers/aks-new/versions',
    ])
  })

  test('a rule: proposed, its impact read, approved by a second person', () => {
    expect(told('A rule, by two persons').asked.slice(-2)).toEqual([
      '202 PUT manage/targets/orders-db',
      '200 POST manage/changes/{id}/approve',
    ])
    const { out, asked } = told('A rule, by two persons', 1)
    expect(asked).toEqual([
      '400 POST token',
      '200 PUT manage/rules/orders-db/new-api',
      '202 PUT manage/rules/orders-db/new-api',
      '200 GET manage/changes/{id}',
      '200 POST manage/changes/{id}/approve',
    ])
    expect(out).toContain('"error":"invalid_target"')
    expect(out).toMatch(/"newlyAllowed":\[.*"workload":\{"issuer":"aks-new",[^}]*\}.*"calls":1/)
  })

  test('questions, none of which changes anything', () => {
    const { out, asked } = told('A rule, by two persons', 2)
    expect(asked.map(line => line.slice(0, 3))).toEqual(['200', '200', '200', '200'])
    const [evaluated = '{}', impact = '{}', ofTarget = '{}', ofNamespace = '{}'] = out.trim().split('\n')
    expect(JSON.parse(evaluated)).toMatchObject({ outcome: 'allowed' })
    expect(JSON.parse(impact)).toHaveProperty('judged')
    expect(JSON.parse(ofTarget).allows.map(({ rule }: { rule: string }) => rule)).toContain('new-api')
    expect(JSON.parse(ofNamespace).targets).toMatchObject([{ target: 'orders-db' }])
  })

  test('the login', () => {
    const { out, codes } = told('The login')
    expect(JSON.parse(out)).toMatchObject({ username: expect.stringMatching(/^cw_/), database: 'orders' })
    expect(codes).toEqual(['0 causeway exchange orders-db'])
  })

  test('an incident: who got it is found, its lease ended, the cluster locked out', () => {
    const found = told('An incident')
    expect(found.asked.at(-1)).toBe('202 POST manage/leases/revoke')
    expect(found.out).toContain('"marked":1')
    const { out, asked } = told('An incident', 1)
    expect(asked).toEqual(['201 POST manage/lockdowns', '400 POST token', '200 GET manage/leases'])
    expect(JSON.parse(out.trim().split('\n').at(-1) ?? '').leases).toMatchObject([{ state: 'revoked' }])
    expect(told('An incident', 2).asked).toEqual(['200 PUT manage/posture/cluster/aks-new/defender'])
  })

  test('the log tells every change twice, and the end of the lease', () => {
    const [changes = '{}', ends = '{}'] = told('What the log tells').out.trim().split('\n')
    const outcomes = JSON.parse(changes).decisions.map(({ outcome }: { outcome: string }) => outcome)
    const count = (outcome: string) => outcomes.filter((each: string) => each === outcome).length
    expect(count('intended')).toBeGreaterThan(8)
    expect(count('done')).toBe(count('intended'))
    expect(JSON.parse(ends).decisions).toContainEqual(expect.objectContaining({ outcome: 'revoked' }))
  })

  test('an export has the records of the day, and what registers their streams', () => {
    const { asked } = told('What the log tells', 1)
    expect(new Set(asked)).toEqual(new Set(['200 GET manage/decisions']))
    const lines = readFileSync(join(folderOf(stack), 'export.jsonl'), 'utf8')
      .trimEnd()
      .split('\n')
    const documents: readonly Record<string, unknown>[] = lines.map(line => JSON.parse(line))
    expect(documents.filter(({ kind }) => kind === 'exchange').length).toBeGreaterThan(2)
    expect(documents.some(({ openedAt }) => openedAt !== undefined)).toBe(true)
  })

  test('rules in git: planned, and proposed to the second person', () => {
    const { out, codes } = told('Rules in git')
    expect(codes).toEqual([expect.stringMatching(/^2 causeway plan /), expect.stringMatching(/^2 causeway apply /)])
    expect(out).toContain('+ /grant: {"ttl":"PT5M"}')
    expect(out).toContain('waits for the approval of a second person: change ')
  })

  test('the end: what the story made is removed', () => {
    const { asked } = told('The end of the story')
    expect(asked.filter(line => /DELETE|approve|PUT/.test(line))).toEqual([
      expect.stringMatching(/^200 DELETE manage\/lockdowns\/lockdown-/),
      '202 DELETE manage/rules/orders-db/new-api',
      '200 POST manage/changes/{id}/approve',
      '200 DELETE manage/issuers/aks-new',
      '202 PUT manage/issuers/aks-local',
      '200 POST manage/changes/{id}/approve',
    ])
  })
})
