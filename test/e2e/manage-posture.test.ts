import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { pods } from '../../infra/local/world.ts'
import { type Document, type RunningStack, runStack } from '../running-stack.ts'
import { type AskManage, askingOf } from './operator-requests.ts'
import { until } from './until.ts'

let stack: RunningStack
let manage: AskManage

beforeAll(async () => {
  stack = await runStack()
  manage = await askingOf(stack)
})
afterEach(async () => expect(await stack.leaks()).toEqual([]))
afterAll(() => stack?.stop())

const node = pods[0]?.node.name ?? ''
/** A signal of its own about the node that the world's pods are on. */
const newSignal = () => {
  const id = `scan-${randomUUID()}`
  return { id, of: `node/aks-local/${node}`, path: `posture/node/aks-local/${node}/${id}` }
}
const at = (seconds: number) => new Date(Date.now() + seconds * 1000).toISOString()
const observed = (changes: Document = {}) => ({
  observedAt: at(-60),
  expiresAt: at(3600),
  value: { high: 0 },
  ...changes,
})
const put = (path: string, body: unknown) => manage(path, { method: 'PUT', body })

async function stored({ id, of }: { id: string; of: string }): Promise<Document | undefined> {
  return (await stack.documents.container('posture').item(id, of).read<Document>()).resource
}

async function recordsOf(id: string): Promise<readonly Document[]> {
  return (await stack.records()).filter(({ kind, document }) => kind === 'admin' && (document as Document)['id'] === id)
}

describe('a signal', () => {
  test('is written, read, replaced by a later observation and removed', async () => {
    const { path, id, of } = newSignal()
    const first = observed()
    expect((await put(path, first)).body).toEqual({ signal: { schema: 1, id, of, ...first }, inForceWithin: 15 })
    expect((await manage(path)).body).toEqual({ signal: { schema: 1, id, of, ...first } })
    const later = observed({ observedAt: at(-30), value: { high: 3 } })
    expect((await put(path, later)).status).toBe(200)
    expect((await manage(path)).body['signal']).toMatchObject(later)
    expect((await manage(path, { method: 'DELETE' })).status).toBe(200)
    expect((await manage(path)).status).toBe(404)
    expect((await manage(path, { method: 'DELETE' })).status).toBe(404)
    expect(await stored({ id, of })).toMatchObject({ deleted: true })
    expect((await put(path, first)).status).toBe(200)
  })

  test('is not replaced by an older observation', async () => {
    const { path } = newSignal()
    const kept = observed()
    await put(path, kept)
    expect((await put(path, observed({ observedAt: at(-61), value: { high: 9 } }))).status).toBe(409)
    expect((await manage(path)).body['signal']).toMatchObject(kept)
  })

  test('of two scanners at once is the one that was observed last', async () => {
    const { path } = newSignal()
    const answers = await Promise.all([1, 2, 3].map(n => put(path, observed({ observedAt: at(-9 + n), value: n }))))
    for (const { status } of answers) expect([200, 409]).toContain(status)
    expect((await manage(path)).body['signal']).toMatchObject({ value: 3 })
  })

  test('is kept until a day after it expires', async () => {
    const signal = newSignal()
    await put(signal.path, observed())
    const { ttl } = (await stored(signal)) ?? {}
    expect(Math.abs(Number(ttl) - 86_400 - 3_600)).toBeLessThan(60)
  })

  test('is on record when it changes, by its digest alone, and not when the same is observed again', async () => {
    const { path, id } = newSignal()
    await put(path, observed({ value: 'first-value' }))
    await put(path, observed({ value: 'first-value', observedAt: at(-50), expiresAt: at(7200) }))
    const records = await recordsOf(id)
    expect(records.map(({ outcome }) => outcome).toSorted()).toEqual(['done', 'intended'])
    const contentHash = expect.stringMatching(/^[0-9a-f]{64}$/)
    expect(records[0]).toMatchObject({ action: 'put', document: { container: 'posture', id }, contentHash })
    expect(JSON.stringify(records)).not.toContain('first-value')
    await put(path, observed({ value: 'second-value', observedAt: at(-40) }))
    expect(await recordsOf(id)).toHaveLength(4)
    await manage(path, { method: 'DELETE' })
    expect((await recordsOf(id)).map(({ action }) => action).filter(action => action === 'remove')).toHaveLength(2)
  })
})

test.each<[string, string, Document]>([
  ['an unknown member', '/surprise', { surprise: 1 }],
  ['an observation of the future', '/observedAt', { observedAt: at(3600), expiresAt: at(7200) }],
  ['what has expired', '/expiresAt', { expiresAt: at(-1) }],
  ['what would expire in years', '/expiresAt', { expiresAt: at(400 * 86_400) }],
  ['a value of many levels', '/value', { value: [[[[[1]]]]] }],
  ['no value', '/value', { value: undefined }],
])('%s is refused, and nothing is written', async (_, pointer, changes) => {
  const signal = newSignal()
  const answer = await put(signal.path, observed(changes))
  expect({ status: answer.status, problems: answer.body['problems'] }).toMatchObject({ status: 422 })
  const [problem] = answer.body['problems'] as Document[]
  expect(['', pointer]).toContain(problem?.['pointer'])
  expect(await stored(signal)).toBeUndefined()
})

test('a path that names no subject, or one with the names of another kind, is 404', async () => {
  for (const path of [
    '',
    'node',
    `node/aks-local/${node}`,
    'node/aks-local/scan/a/b',
    'cluster/aks-local/a/b',
    'moon/x/scan',
  ]) {
    expect((await put(`posture/${path}`, observed())).status).toBe(404)
  }
  expect((await put(`posture/node/aks-local/a%2Fb/scan`, observed())).status).toBe(404)
  expect((await put('posture/cluster/aks-local/Scan', observed())).status).toBe(404)
  expect((await put('posture/cluster/aks-local/scan', observed())).status).toBe(200)
})

test('what a scanner writes decides the next exchanges', async () => {
  const [target, { path, id }] = [`orders-${randomUUID()}`, newSignal()]
  await stack.addTarget({ id: target, like: 'orders-db', scopes: ['read'] })
  const rule = { schema: 1, id: 'vulnerable', target, effect: 'deny', workloads: [{ issuer: 'aks-local' }] }
  const posture = [{ of: 'node', signal: id, require: { '/high': { min: 1 } }, maxAge: 'PT1H' }]
  await stack.documents.container('rules').items.create({ ...rule, conditions: { posture } })
  await put(path, observed())
  const status = async () => (await stack.exchange({ audience: target })).status
  await until(status, seen => seen === 200)
  await put(path, observed({ observedAt: at(-1), value: { high: 2 } }))
  await until(status, seen => seen === 400)
})
