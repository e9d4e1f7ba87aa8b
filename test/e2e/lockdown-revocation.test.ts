import { randomUUID } from 'node:crypto'
import { decodeProtectedHeader } from 'jose'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { pods } from '../../infra/local/world.ts'
import { type Document, type Issued, logIn, type PodName, type RunningStack, runStack } from '../running-stack.ts'
import { until } from './until.ts'

let stack: RunningStack

const api = pods.find(({ name }) => name === 'api-7d9c6b5f4-x2x7k')
/** A target of which no test locks down anything but with others. */
const free = 'orders-free'

beforeAll(async () => {
  stack = await runStack()
  await stack.addTarget({ id: free, like: 'orders-db', scopes: ['read'] })
})
afterEach(() => lifted())
afterEach(async () => expect(await stack.leaks()).toEqual([]))
afterAll(() => stack?.stop())

const put = (document: Document) => stack.documents.container('lockdowns').items.upsert(document)
/** The ids of those that stand. */
const inPlace: string[] = []
const lockdown = (id: string, blocks: unknown, more: Document = { revokeLeases: true }): Document => ({
  schema: 1,
  id,
  blocks,
  reason: 'incident 42',
  ...more,
})

/** A live lease of a target of its own, with an open session, whose account nobody makes any more. */
async function live({ pod = 'payments/api', grant = {} }: { pod?: PodName; grant?: Document } = {}) {
  const audience = `orders-${randomUUID()}`
  const namespace = pod.split('/')[0] ?? ''
  await stack.addTarget({ id: audience, like: 'orders-db', namespace, scopes: ['read'], grant })
  const issued = await stack.issue({ audience, subject_token: await stack.podToken(pod) })
  await stack.changeLease(issued.lease_id ?? '', { mintUntil: new Date(Date.now() - 60_000).toISOString() })
  return { audience, issued, session: await logIn(issued) }
}

async function leaseOf({ lease_id }: Issued): Promise<Document | undefined> {
  return (await stack.leases()).find(({ id }) => id === lease_id)
}

async function revocationOf({ lease_id }: Issued): Promise<Document | undefined> {
  const found = (await stack.records()).filter(({ kind }) => kind === 'revocation')
  return found.find(({ lease }) => (lease as Document)['id'] === lease_id)
}

/** Runs the timer once it knows this lockdown: it ends a lease by another that comes after it in the feed, in one run. */
async function runTimerUnder(document: Document): Promise<void> {
  const marker = await live()
  await put(document)
  inPlace.push(String(document['id']))
  await runTimerUntilEnded(marker)
}

async function runTimerUntilEnded({ audience, issued }: Awaited<ReturnType<typeof live>>): Promise<void> {
  await put(lockdown(`mark-${audience}`, { target: audience }))
  await until(
    async () => {
      await stack.gateway.runTimer('revoke-expired')
      return leaseOf(issued)
    },
    lease => lease?.['state'] === 'revoked',
  )
}

/** Lifts what stands, and waits until both who decide and who end know. */
async function lifted(): Promise<void> {
  if (inPlace.length === 0) return
  await Promise.all(inPlace.splice(0).map(id => put({ id, deleted: true, ttl: 3_600 })))
  await until(isIssued(free), issued => issued)
  await runTimerUntilEnded(await live())
}

const isIssued = (audience: string) => async () => (await stack.exchange({ audience })).status === 200

test('a new lease tells what a lockdown may name', async () => {
  const { issued, session } = await live()
  await session.end()
  expect(await leaseOf(issued)).toMatchObject({
    onExpiry: 'end-sessions',
    workload: {
      issuer: 'aks-local',
      namespace: 'payments',
      serviceAccount: 'api',
      podUid: api?.uid,
      node: api?.node.name,
      keyId: decodeProtectedHeader(await stack.podToken()).kid,
    },
  })
})

describe('a lockdown that revokes leases', () => {
  test.each<[string, (target: string) => unknown]>([
    ['a namespace', () => ({ issuer: 'aks-local', namespace: 'payments' })],
    ['a service account at a target', target => ({ serviceAccount: 'api', target })],
    ['a pod', () => ({ podUid: api?.uid })],
    ['a node', () => ({ node: api?.node.name, namespace: 'payments' })],
    ['a rule', target => ({ rule: `allow-${target}` })],
  ])(
    'of %s ends the open session within one run of the timer, records why, and leaves another workload its own',
    async (name, blocks) => {
      const id = `lockdown-${name.replaceAll(' ', '-')}`
      const [{ audience, issued, session }, other] = [await live(), await live({ pod: 'billing/batch' })]
      await runTimerUnder(lockdown(id, blocks(audience)))
      await expect(session.query('SELECT')).rejects.toThrow()
      await expect(logIn(issued)).rejects.toMatchObject({ code: '28P01' })
      expect(await stack.accounts()).not.toContain(issued.credential['username'])
      expect(await leaseOf(issued)).toMatchObject({ state: 'revoked', cause: 'lockdown', lockdown: id })
      expect(await revocationOf(issued)).toMatchObject({
        outcome: 'revoked',
        lease: { cause: 'lockdown', lockdown: id, evidence: { sessionsEnded: 1, absent: true } },
      })
      await other.session.query('SELECT')
      expect(await leaseOf(other.issued)).toMatchObject({ state: 'active' })
      await other.session.end()
    },
  )

  test('of one pod ends a lease that the pods of a workload share', async () => {
    const { issued, session } = await live({ pod: 'payments/api 2', grant: { share: 'workload' } })
    await runTimerUnder(lockdown('one-pod', { podUid: api?.uid }))
    await expect(session.query('SELECT')).rejects.toThrow()
    expect(await leaseOf(issued)).toMatchObject({ state: 'revoked', cause: 'lockdown' })
  })

  test('stops the next exchange, and once it is lifted another account takes the place of the one that it ended', async () => {
    const { audience, issued } = await live()
    await runTimerUnder(lockdown('brief', { target: audience }))
    await until(isIssued(audience), issued => !issued)
    await lifted()
    // A lease is remembered for as long as what was read may decide.
    const again = await until(
      () => stack.issue({ audience }),
      ({ lease_id }) => lease_id !== issued.lease_id,
    )
    expect(again.credential['username']).not.toBe(issued.credential['username'])
    await (await logIn(again)).end()
  })
})

test.each<[string, Document]>([
  ['that does not say so', {}],
  ['that says it does not', { revokeLeases: false }],
  ['that is over', { revokeLeases: true, expiresAt: '2020-01-01T00:00:00Z' }],
  ['that cannot be read', { revokeLeases: true, until: 'tomorrow' }],
])('a lockdown %s revokes no lease', async (name, more) => {
  const { issued, session } = await live()
  const id = `none-${name.replaceAll(' ', '-')}`
  await runTimerUnder(lockdown(id, 'everything', more))
  await session.query('SELECT')
  expect(await leaseOf(issued)).toMatchObject({ state: 'active' })
  await session.end()
})
