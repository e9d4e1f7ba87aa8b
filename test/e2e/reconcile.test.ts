import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { asSuperuser } from '../../infra/local/postgresql/demo-database.ts'
import { type Document, logIn, type RunningStack, runStack } from '../running-stack.ts'
import { until } from './until.ts'

let stack: RunningStack

const stray = 'cw_local_aaaabbbbccccdddd'
const personal = 'cw_local_admin'

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

test('an account that nobody answers for is removed by the second run that sees it, and no other is', async () => {
  const alive = await Promise.all(
    Array.from({ length: 6 }, async () => {
      const audience = `orders-${randomUUID()}`
      await stack.addTarget({ id: audience, like: 'orders-db', scopes: ['read'] })
      return stack.issue({ audience, subject_token: await stack.podToken() })
    }),
  )
  await inDatabase(`CREATE ROLE ${personal}; SET ROLE causeway_minter; CREATE ROLE ${stray} LOGIN`)
  const [seen] = await runReconcile(found => found.length > 0)
  expect(seen).toMatchObject({ outcome: 'seen', strays: [{ account: stray, lease: 'none' }] })
  expect(await stack.accounts()).toContain(stray)

  // An hour goes by: the run was an hour ago.
  const { _rid, _self, _etag, _attachments, _ts, ...record } = seen as Record<string, unknown>
  const at = new Date(Date.now() - 60 * 60_000).toISOString()
  await stack.documents.container('decisions').items.create({ ...record, id: '000000999999', at })
  const found = await runReconcile(all => all.some(({ outcome }) => outcome === 'removed'))
  expect(found.find(({ outcome }) => outcome === 'removed')).toMatchObject({
    strays: [{ account: stray, lease: 'none', evidence: { absent: true, sessionsEnded: 0 } }],
  })
  const accounts = await stack.accounts()
  expect(accounts).not.toContain(stray)
  expect(accounts).toContain(personal)
  for (const issued of alive) await (await logIn(issued)).end()
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
  // An hour goes by: the run was an hour ago.
  const { _rid, _self, _etag, _attachments, _ts, ...record } = held ?? {}
  const at = new Date(Date.now() - 60 * 60_000).toISOString()
  await stack.documents.container('decisions').items.create({ ...record, id: '000000999998', at })
  const seenTwice = heldSoFar(await reconciliations())
  await runReconcile(all => heldSoFar(all) > seenTwice)
  expect(await stack.accounts()).toEqual(accounts)
  await (await logIn(issued)).end()
})
