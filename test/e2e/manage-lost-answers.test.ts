import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type Document, type RunningStack, runStack } from '../running-stack.ts'
import { type AskManage, askingOf } from './operator-requests.ts'

let stack: RunningStack
let manage: AskManage

beforeAll(async () => {
  stack = await runStack()
  manage = await askingOf(stack)
})
afterEach(async () => {
  stack.cosmos.faults.clear()
  expect(await stack.leaks()).toEqual([])
})
afterAll(() => stack?.stop())

const toReplace = (etag: unknown) => ({ 'if-match': String(etag) })
const approve = (change: string) => manage(`changes/${change}/approve`, { method: 'POST', roles: ['Rules.Approve'] })
const lost = { container: 'rules', action: 'replace', when: 'after-commit', status: 503, times: 1 } as const
const loseAnswer = () => stack.cosmos.faults.add(lost)
const loseAnswerAndReads = () =>
  stack.cosmos.faults.add({ ...lost, next: { container: 'rules', action: 'read', status: 503 } })

interface Proposed {
  readonly change: string
  readonly path: string
  readonly target: string
  /** The ids of its leases: there are two where a window was about to end when the first was issued. */
  readonly leases: readonly unknown[]
}

/** A rule of a guarded target with a lease; that it is removed, and its leases are ended, is proposed. */
async function removalProposed(): Promise<Proposed> {
  const target = `orders-${randomUUID().slice(0, 8)}`
  await stack.addTarget({ id: target, like: 'orders-db', scopes: ['read'], changes: { requireApproval: true } })
  const { lease_id: issued } = await stack.issue({ audience: target })
  const leases = (await leasesOf(target)).map(({ id }) => id)
  expect(leases).toContain(issued)
  const path = `rules/${target}/allow-${target}`
  const headers = toReplace((await manage(path)).body['etag'])
  const proposed = await manage(`${path}?leases=revoke`, { method: 'DELETE', headers })
  expect(proposed.status).toBe(202)
  return { change: String(proposed.body['change']), path, target, leases }
}

const leasesOf = async (target: string) => (await stack.leases()).filter(lease => lease['target'] === target)

async function outcomes(path: string, action: string): Promise<readonly unknown[]> {
  const id = path.split('/').at(-1)
  const found = (await stack.records()).filter(
    record => record['action'] === action && (record['document'] as Document)['id'] === id,
  )
  return found.map(({ outcome }) => outcome).toSorted()
}

/** As if the approval had been tried that long ago that it may be tried again. */
async function abandon(change: string): Promise<void> {
  const item = stack.documents.container('changes').item(change, change)
  const settledAt = new Date(Date.now() - 31_000).toISOString()
  await item.replace({ ...(await item.read<Document>()).resource, settledAt })
}

async function expectInForce({ change, path, target, leases }: Proposed): Promise<void> {
  expect((await manage(`changes/${change}`)).body).toMatchObject({ change: { state: 'approved' } })
  const ended = (await leasesOf(target)).filter(({ cause }) => cause === 'operator')
  expect(new Set(ended.map(({ id }) => id))).toEqual(new Set(leases))
  const [newest] = (await manage(`${path}/versions`)).body['versions'] as Document[]
  expect(newest).toMatchObject({ state: 'saved', etag: expect.any(String) })
}

describe('an approval whose answer was lost after the commit', () => {
  test('is found to be in force: the record, the versions, the change and its leases say so', async () => {
    const proposed = await removalProposed()
    loseAnswer()
    const approved = await approve(proposed.change)
    expect(approved.body).toMatchObject({
      state: 'approved',
      removed: true,
      leases: { marked: proposed.leases.length },
    })
    expect(await outcomes(proposed.path, 'remove')).toEqual(['done', 'intended'])
    await expectInForce(proposed)
  })

  test('and that could not be read then is on record as unclear, and approved again it is found to be in force', async () => {
    const proposed = await removalProposed()
    loseAnswerAndReads()
    expect((await approve(proposed.change)).status).toBe(503)
    stack.cosmos.faults.clear()
    expect(await outcomes(proposed.path, 'remove')).toEqual(['intended', 'unclear'])
    expect((await manage(proposed.path)).status).toBe(404)
    await abandon(proposed.change)
    const marked = proposed.leases.length
    expect((await approve(proposed.change)).body).toMatchObject({ state: 'approved', leases: { marked } })
    expect(await outcomes(proposed.path, 'remove')).toEqual(['done', 'intended', 'intended', 'unclear'])
    await expectInForce(proposed)
  })
})

test('a save whose answer was lost after the commit is answered by what is there', async () => {
  const path = 'rules/orders-db/lost-answer'
  const workloads = [{ issuer: 'aks-local', namespace: 'nobody' }]
  const body = { schema: 1, id: 'lost-answer', target: 'orders-db', effect: 'allow', workloads, scopes: ['read'] }
  const made = await manage(path, { method: 'PUT', body, headers: { 'if-none-match': '*' } })
  loseAnswer()
  const headers = toReplace(made.body['etag'])
  const saved = await manage(path, { method: 'PUT', body: { ...body, priority: 3 }, headers })
  expect(saved.status).toBe(200)
  expect((await manage(path)).body).toMatchObject({ etag: saved.body['etag'], rule: { priority: 3 } })
  expect(await outcomes(path, 'put')).toEqual(['done', 'done', 'intended', 'intended'])
})

test('a save that failed, of what was there before, is not taken for one that was made', async () => {
  const { rule: body, etag } = (await manage('rules/orders-db/payments-api-orders')).body
  stack.cosmos.faults.add({ container: 'rules', action: 'replace', status: 503 })
  const path = 'rules/orders-db/payments-api-orders'
  expect((await manage(path, { method: 'PUT', body, headers: toReplace(etag) })).status).toBe(503)
  expect(await outcomes(path, 'put')).toEqual(['intended', 'unclear'])
})
