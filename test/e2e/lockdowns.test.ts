import { decodeProtectedHeader } from 'jose'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { pods } from '../../infra/local/world.ts'
import { expectRefused } from '../attacks/refusal.ts'
import { type Answer, type Document, type Issued, lasting, type RunningStack, runStack } from '../running-stack.ts'
import { until } from './until.ts'

let stack: RunningStack

const api = pods.find(({ name }) => name === 'api-7d9c6b5f4-x2x7k')
const target = 'orders-lasting'
const asked = { audience: target, scope: 'read' }
const lockedDown = { status: 400, error: 'invalid_target', reason: 'locked_down', recorded: 'denied' } as const

beforeAll(async () => {
  stack = await runStack()
  await stack.addTarget({ id: target, like: 'orders-db', scopes: ['read'], changes: lasting })
  await stack.addTarget({ id: 'orders-copy', like: 'orders-db', scopes: ['read'] })
})
afterEach(async () => expect(await stack.leaks()).toEqual([]))
afterAll(() => stack?.stop())

const put = (document: Document) => stack.documents.container('lockdowns').items.upsert(document)
const lockdown = (id: string, blocks: unknown, more: Document = {}): Document => ({
  schema: 1,
  id,
  blocks,
  reason: 'incident 42',
  ...more,
})
const lift = (id: string) => put({ id, deleted: true, ttl: 3_600 })

const isRefused = ({ status }: Answer) => status !== 200
const isIssued = ({ status }: Answer) => status === 200

async function recordOf({ body }: Answer): Promise<Document | undefined> {
  const [record] = await stack.recordsOf(String(body['decision_id']))
  return record
}

/** An answer but for its id. */
function told({ status, headers, body: { decision_id: _, ...body } }: Answer) {
  return { status, body, headers: Object.fromEntries([...headers].filter(([name]) => name !== 'date')) }
}

/** What each kind blocks: the pod `payments/api` at the target. */
async function kinds(): Promise<Readonly<Record<string, unknown>>> {
  return {
    everything: 'everything',
    issuer: { issuer: 'aks-local' },
    namespace: { namespace: 'payments' },
    'service account': { serviceAccount: 'api' },
    pod: { podUid: api?.uid },
    node: { node: api?.node.name },
    key: { keyId: decodeProtectedHeader(await stack.podToken()).kid },
    target: { target },
    rule: { rule: `allow-${target}` },
    'workload at a target': { issuer: 'aks-local', namespace: 'payments', serviceAccount: 'api', target },
  }
}
const names = [
  'everything',
  'issuer',
  'namespace',
  'service account',
  'pod',
  'node',
  'key',
  'target',
  'rule',
  'workload at a target',
]

describe.each(names)('a lockdown of: %s', name => {
  test('ends access, answers as for a target that is unknown, says which it was in the record, and can be lifted', async () => {
    const id = `lockdown-${name.replaceAll(' ', '-')}`
    const live: Issued = await stack.issue(asked)
    await put(lockdown(id, (await kinds())[name]))
    const refused = await until(() => stack.exchange(asked), isRefused)
    await expectRefused(stack, refused, lockedDown)
    expect(await recordOf(refused)).toMatchObject({ detail: { lockdown: id } })
    // What is locked down and what there is not are alike.
    expect(told(refused)).toEqual(told(await stack.exchange({ ...asked, audience: 'nowhere' })))

    await lift(id)
    const answer = await until(() => stack.exchange(asked), isIssued)
    expect(answer.body['lease_id']).toBe(live.lease_id)
  })
})

describe('a lockdown that is about something else ends nothing', () => {
  test.each<[string, Document]>([
    ['another issuer', { issuer: 'aks-other' }],
    ['another namespace', { namespace: 'billing' }],
    ['another service account of the namespace', { namespace: 'payments', serviceAccount: 'web' }],
    ['another pod of the workload', { podUid: '5f0b9d6e-0002-4000-8000-000000000002' }],
    ['another node', { node: 'aks-pool1-31415926-vmss000001' }],
    ['another key', { keyId: 'another' }],
    ['another target', { target: 'orders-copy' }],
    ['another rule', { rule: 'allow-orders-copy' }],
    ['the target, for another namespace', { target, namespace: 'billing' }],
  ])('%s', async (name, blocks) => {
    const id = `other-${name.replaceAll(/\W+/g, '-')}`
    await put(lockdown(id, blocks))
    // One that does concern the target comes after it in the feed: when this one is in force, so is the other.
    await put(lockdown(`${id}-mark`, { target: 'orders-copy', namespace: 'payments' }))
    await until(() => stack.exchange({ ...asked, audience: 'orders-copy' }), isRefused)
    expect((await stack.exchange(asked)).status).toBe(200)
    await Promise.all([lift(id), lift(`${id}-mark`)])
    await until(() => stack.exchange({ ...asked, audience: 'orders-copy' }), isIssued)
  })
})

test('one target is locked down and the others go on', async () => {
  await put(lockdown('one-target', { target: 'orders-copy' }))
  const refused = await until(() => stack.exchange({ ...asked, audience: 'orders-copy' }), isRefused)
  await expectRefused(stack, refused, lockedDown)
  expect((await stack.exchange(asked)).status).toBe(200)
  await lift('one-target')
  await until(() => stack.exchange({ ...asked, audience: 'orders-copy' }), isIssued)
})

test('a lockdown is no ground to tell a workload more than a rule would: without a rule, there is no rule', async () => {
  await put(lockdown('for-nobody', 'everything'))
  await until(() => stack.exchange(asked), isRefused)
  const answer = await stack.exchange({ ...asked, audience: 'mainframe-ftp' })
  await expectRefused(stack, answer, { ...lockedDown, reason: 'no_rule' })
  await lift('for-nobody')
  await until(() => stack.exchange(asked), isIssued)
})

test('a lockdown ends by itself when its time is up, and one whose time is up never began', async () => {
  const expiresAt = new Date(Date.now() + 8_000).toISOString()
  await put(lockdown('brief', { target }, { expiresAt }))
  await put(lockdown('past', { target }, { expiresAt: '2020-01-01T00:00:00Z' }))
  const refused = await until(() => stack.exchange(asked), isRefused)
  expect(await recordOf(refused)).toMatchObject({ reason: 'locked_down', detail: { lockdown: 'brief' } })
  const answer = await until(() => stack.exchange(asked), isIssued)
  const { facts } = (await recordOf(answer)) as { facts: { time: number } }
  expect(facts.time).toBeGreaterThanOrEqual(Date.parse(expiresAt))
  await Promise.all([lift('brief'), lift('past')])
})

test('of two lockdowns, access stays ended until both are lifted', async () => {
  await put(lockdown('first', { namespace: 'payments' }))
  await put(lockdown('second', { target }))
  await until(
    async () => (await recordOf(await stack.exchange(asked)))?.['reason'],
    reason => reason === 'locked_down',
  )
  await lift('first')
  const second = async () => (await recordOf(await stack.exchange(asked)))?.['detail'] as Document | undefined
  await until(second, detail => detail?.['lockdown'] === 'second')
  await lift('second')
  await until(() => stack.exchange(asked), isIssued)
})

test('a lockdown that cannot be read ends everything, until it is mended', async () => {
  await put({ id: 'unreadable', schema: 1, blocks: { namespaces: ['billing'] }, reason: 'a mistake' })
  const refused = await until(() => stack.exchange(asked), isRefused)
  await expectRefused(stack, refused, lockedDown)
  expect(await recordOf(refused)).toMatchObject({ detail: { lockdown: 'unreadable' } })
  await put(lockdown('unreadable', { namespace: 'billing' }))
  await until(() => stack.exchange(asked), isIssued)
})
