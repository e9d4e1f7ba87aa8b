import { randomBytes, randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { asSuperuser } from '../../infra/local/postgresql/demo-database.ts'
import { type Document, logIn, type RunningStack, runStack } from '../running-stack.ts'
import { until } from './until.ts'

let stack: RunningStack

/** An account that is called as if it were a lease's, and that no run has seen: a test may run once more. */
const newAccount = (prefix = 'cw') => `${prefix}_local_${randomBytes(8).toString('hex').replaceAll(/\d/g, 'x')}`

beforeAll(async () => {
  stack = await runStack()
})
afterAll(() => stack?.stop())

const inDatabase = (sql: string) => asSuperuser(stack.postgresql, 'orders', client => client.query(sql))

async function reconciliations(): Promise<readonly Document[]> {
  return (await stack.records()).filter(({ kind }) => kind === 'reconciliation')
}

/** Runs the timer until it has written what it saw: the stack's own first run may be under way. */
async function runReconcile(awaited: (found: readonly Document[]) => boolean): Promise<readonly Document[]> {
  await stack.gateway.runTimer('reconcile')
  return until(reconciliations, awaited)
}

/** What runs wrote of an account. */
const about = (account: string, outcome: string) => (all: readonly Document[]) =>
  all.find(found => found['outcome'] === outcome && JSON.stringify(found['strays']).includes(account))

/** An hour goes by: what a run wrote is as old as that. */
async function anHourAgo(written: Document | undefined): Promise<void> {
  const { _rid, _self, _etag, _attachments, _ts, ...record } = written ?? {}
  const at = new Date(Date.now() - 60 * 60_000).toISOString()
  await stack.documents.container('decisions').items.create({ ...record, id: randomUUID(), at })
}

test('an account that nobody answers for is removed by the second run that sees it, and no other is', async () => {
  const alive = await Promise.all(
    Array.from({ length: 6 }, async () => {
      const audience = `orders-${randomUUID()}`
      await stack.addTarget({ id: audience, like: 'orders-db', scopes: ['read'] })
      return stack.issue({ audience, subject_token: await stack.podToken() })
    }),
  )
  const [stray, personal] = [newAccount(), `${newAccount()}_admin`]
  await inDatabase(`CREATE ROLE ${personal}; SET ROLE causeway_minter; CREATE ROLE ${stray} LOGIN`)
  const [isSeen, isRemoved] = [about(stray, 'seen'), about(stray, 'removed')]
  const seen = isSeen(await runReconcile(all => isSeen(all) !== undefined))
  expect(seen).toMatchObject({ outcome: 'seen', strays: [{ account: stray, lease: 'none' }] })
  expect(await stack.accounts()).toContain(stray)

  await anHourAgo(seen)
  const removed = isRemoved(await runReconcile(all => isRemoved(all) !== undefined))
  expect(removed).toMatchObject({
    strays: [{ account: stray, lease: 'none', evidence: { absent: true, sessionsEnded: 0 } }],
  })
  const accounts = await stack.accounts()
  expect(accounts).not.toContain(stray)
  expect(accounts).toContain(personal)
  for (const issued of alive) await (await logIn(issued)).end()
})

test('an account of a revoked lease that came back is removed, though its target names accounts otherwise by now', async () => {
  const account = newAccount('old')
  const audience = `orders-${randomUUID()}`
  await stack.addTarget({ id: audience, like: 'orders-db', scopes: ['read'] })
  const issued = await stack.issue({ audience, subject_token: await stack.podToken() })
  await stack.changeLease(issued.lease_id ?? '', { state: 'revoked', account })
  await inDatabase(`SET ROLE causeway_minter; CREATE ROLE ${account} LOGIN`)
  const [isSeen, isRemoved] = [about(account, 'seen'), about(account, 'removed')]
  await anHourAgo(isSeen(await runReconcile(all => isSeen(all) !== undefined)))
  const removed = isRemoved(await runReconcile(all => isRemoved(all) !== undefined))
  expect(removed).toMatchObject({ strays: [{ account, lease: 'revoked', evidence: { absent: true } }] })
  const { rowCount } = await inDatabase(`SELECT FROM pg_roles WHERE rolname = '${account}'`)
  expect(rowCount).toBe(0)
})

test('where the leases are gone, no account is removed by however many runs, and it is on record', async () => {
  const issued = await stack.issue({ audience: 'orders-db', subject_token: await stack.podToken() })
  const accounts = await stack.accounts()
  // Nobody may delete leases, so their time to live ends.
  for (const { id } of await stack.leases()) await stack.changeLease(String(id), { ttl: 1 })
  await until(stack.leases, left => left.length === 0)

  const heldSoFar = (found: readonly Document[]) => found.filter(({ outcome }) => outcome === 'held').length
  const found = await runReconcile(all => heldSoFar(all) > 0)
  const held = found.find(({ outcome }) => outcome === 'held')
  expect(JSON.stringify(held?.['strays'])).toContain(String(issued.credential['username']))
  await anHourAgo(held)
  const seenTwice = heldSoFar(await reconciliations())
  await runReconcile(all => heldSoFar(all) > seenTwice)
  expect(await stack.accounts()).toEqual(accounts)
  await (await logIn(issued)).end()
})
