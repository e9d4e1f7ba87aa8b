import { randomBytes } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { freePort } from '../../infra/local/ports.ts'
import { type Document, lasting, logIn, type RunningStack, runStack } from '../running-stack.ts'
import { expectAccountedFor, expectRefused, type Refusal } from './refusal.ts'

let stack: RunningStack

beforeAll(async () => {
  stack = await runStack()
})
afterEach(async () => {
  stack.cosmos.faults.clear()
  stack.vault.faults.clear()
  expect(await stack.leaks()).toEqual([])
})
afterAll(() => stack?.stop())

const outage: Refusal = {
  status: 503,
  error: 'temporarily_unavailable',
  reason: '',
  recorded: 'failed',
  retryAfter: true,
}
const value = () => randomBytes(24).toString('base64url')
const past = new Date(Date.now() - 60_000)
const future = new Date(Date.now() + 3_600_000)

let lastNumber = 0
/** Ids of this test alone: it may run twice. */
const fresh = (name: string) => `${name}-${++lastNumber}`

/** A target that hands out the secret of its own name, and whose keeping `put` spoils. */
async function addSecretTarget(id: string, format: 'text' | 'json' = 'text'): Promise<void> {
  const login = { secret: { vault: 'corp', secret: id }, format }
  await stack.addTarget({ id, like: 'mainframe-ftp', changes: { scopes: { login } }, scopes: ['login'] })
}

describe('Key Vault', () => {
  test.each<[string, (name: string) => void, Partial<Refusal>]>([
    ['absent', () => {}, { reason: 'secret_not_found', retryAfter: 30 }],
    ['expired', name => stack.vault.set(name, value(), { expiresOn: past }), { reason: 'secret_expired' }],
    ['not-yet', name => stack.vault.set(name, value(), { notBefore: future }), { reason: 'secret_not_yet_valid' }],
    ['disabled', name => stack.vault.set(name, value(), { enabled: false }), { reason: 'secret_disabled' }],
    [
      'throttled',
      name => {
        stack.vault.set(name, value())
        stack.vault.faults.inject({ name, status: 429, retryAfter: 7 })
      },
      { reason: 'vault_throttled', retryAfter: 7 },
    ],
    [
      'down',
      name => {
        stack.vault.set(name, value())
        stack.vault.faults.inject({ name, status: 503 })
      },
      { reason: 'vault_unavailable' },
    ],
  ])('a secret that is %s is an outage of its target alone', async (how, spoil, refusal) => {
    const id = `key-${how}`
    await addSecretTarget(id)
    spoil(id)
    await expectRefused(stack, await stack.exchange({ audience: id }), { ...outage, ...refusal })
    expect((await stack.exchange({ audience: 'orders-db' })).status).toBe(200)
  })

  test.each([
    ['no JSON', value()],
    ['JSON without the member that is handed out', JSON.stringify({ username: 'MFBATCH', pass: value() })],
    ['JSON within JSON', JSON.stringify({ password: { text: value() } })],
  ])('a secret that holds %s where JSON is expected is an outage, and none of it is told', async (how, text) => {
    const id = `json-${how.length}`
    stack.vault.set(id, text)
    stack.note(text)
    await addSecretTarget(id, 'json')
    const answer = await stack.exchange({ audience: id })
    await expectRefused(stack, answer, { ...outage, reason: 'secret_malformed' })
  })

  test('a secret that the role may not read is an outage', async () => {
    const login = { secret: { vault: 'corp', secret: 'orders-db-revoker' } }
    const changes = { scopes: { login } }
    await stack.addTarget({ id: 'key-forbidden', like: 'mainframe-ftp', changes, scopes: ['login'] })
    const answer = await stack.exchange({ audience: 'key-forbidden' })
    await expectRefused(stack, answer, { ...outage, reason: 'secret_forbidden' })
  })

  test('a vault that the settings do not name is an outage, and nobody is asked for it', async () => {
    const login = { secret: { vault: 'elsewhere', secret: 'key' } }
    await stack.addTarget({
      id: 'key-elsewhere',
      like: 'mainframe-ftp',
      changes: { scopes: { login } },
      scopes: ['login'],
    })
    const answer = await stack.exchange({ audience: 'key-elsewhere' })
    await expectRefused(stack, answer, { ...outage, reason: 'vault_unknown' })
  })

  test("the minter's password that cannot be read leaves no account, and the lease waits for the next try", async () => {
    const password = { vault: 'corp', secret: 'late-minter' }
    const id = fresh('orders-late')
    await stack.addTarget({
      id,
      like: 'orders-db',
      changes: { settings: await databaseSettings({ admin: { user: 'causeway_minter', password } }) },
      scopes: ['read'],
    })
    const answer = await stack.exchange({ audience: id })
    await expectRefused(stack, answer, { ...outage, reason: 'secret_not_found' })
    expect(await leasesOf(id)).toEqual([expect.objectContaining({ state: 'reserved', vacant: true })])
  })
})

async function databaseSettings(changes: Document): Promise<Document> {
  const { resource } = await stack.documents.container('targets').item('orders-db', 'orders-db').read<Document>()
  return { ...(resource?.['settings'] as Document), ...changes }
}

async function leasesOf(target: string): Promise<readonly Document[]> {
  return (await stack.leases()).filter(lease => lease['target'] === target)
}

test('a database that nobody answers for is an outage of its target, and leaves no account', async () => {
  const settings = await databaseSettings({ port: await freePort() })
  const id = fresh('orders-gone')
  await stack.addTarget({ id, like: 'orders-db', changes: { settings }, scopes: ['read'] })
  const answer = await stack.exchange({ audience: id })
  await expectRefused(stack, answer, { ...outage, reason: 'target_unavailable' })
  expect(await stack.recordsOf(String(answer.body['decision_id']))).toHaveLength(2)
  expect(await leasesOf(id)).toEqual([expect.objectContaining({ state: 'reserved', vacant: true })])
})

test('a database that lets the minter in no more is an outage of its target, and its texts are told to nobody', async () => {
  const password = { vault: 'corp', secret: 'wrong-minter' }
  stack.vault.set('wrong-minter', value())
  const settings = await databaseSettings({ admin: { user: 'causeway_minter', password } })
  await stack.addTarget({ id: 'orders-shut', like: 'orders-db', changes: { settings }, scopes: ['read'] })
  const answer = await stack.exchange({ audience: 'orders-shut' })
  await expectRefused(stack, answer, { ...outage, reason: 'target_unavailable' })
})

describe('Cosmos DB before the decision', () => {
  const down = { status: 503 } as const

  test.each([
    ['targets', 'read', 'documents_unavailable'],
    ['rules', 'query', 'documents_unavailable'],
    ['leases', 'read', 'lease_unavailable'],
    ['leases', 'create', 'lease_unavailable'],
  ] as const)('%s that cannot be asked (%s) issue nothing', async (container, action, reason) => {
    const id = fresh(`orders-${container}-${action}`)
    // Under a budget a lease is read before it is created.
    await stack.addTarget({ id, like: 'orders-db', scopes: ['read'], changes: { budgets: { liveAccounts: 9 } } })
    stack.cosmos.faults.add({ container, action, ...down })
    const answer = await stack.exchange({ audience: id })
    stack.cosmos.faults.clear()
    await expectRefused(stack, answer, { ...outage, reason })
    expect(await leasesOf(id)).toEqual([])
    expect((await stack.exchange({ audience: id })).status).toBe(200)
  })

  test('that ends a connection once is asked again', async () => {
    const id = fresh('orders-cut-off')
    await stack.addTarget({ id, like: 'orders-db', scopes: ['read'] })
    stack.cosmos.faults.add({ container: 'targets', action: 'read', reset: true, times: 1 })
    await stack.issue({ audience: id })
  })

  // The client would ask again, a second apart, until it is well: after longer than an exchange may wait.
  test.each([
    ['ends connection after connection', { reset: true, times: 7 }],
    ['answers late', { delayMs: 6_000, times: 2 }],
  ])('that %s is not waited for', async (how, fault) => {
    const id = fresh(`orders-hanging-${how.length}`)
    await stack.addTarget({ id, like: 'orders-db', scopes: ['read'] })
    stack.cosmos.faults.add({ container: 'targets', action: 'read', ...fault })
    const answer = await stack.exchange({ audience: id })
    stack.cosmos.faults.clear()
    await expectRefused(stack, answer, { ...outage, reason: 'documents_unavailable' })
  })
})

describe('a record that cannot be written', () => {
  const unrecorded: Refusal = { ...outage, reason: 'record_unavailable', recorded: 'unrecordable' }
  const failRecords = () => stack.cosmos.faults.add({ container: 'decisions', action: 'create', status: 503 })

  test('means that no account is made, and the next request takes the reservation', async () => {
    const id = fresh('orders-unrecorded')
    await stack.addTarget({ id, like: 'orders-db', scopes: ['read'], changes: lasting })
    const accounts = await stack.accounts()
    failRecords()
    const answer = await stack.exchange({ audience: id })
    stack.cosmos.faults.clear()
    await expectRefused(stack, answer, unrecorded)
    expect(await stack.accounts()).toEqual(accounts)
    const [lease, ...more] = await leasesOf(id)
    expect(more).toEqual([])
    expect(lease).toMatchObject({ state: 'reserved', vacant: true })

    const issued = await stack.issue({ audience: id })
    expect(issued.lease_id).toBe(lease?.['id'])
    await expectAccountedFor(stack)
  })

  test('nor the reservation given back, means that it lapses: the next request gets another account', async () => {
    const id = fresh('orders-stuck')
    await stack.addTarget({ id, like: 'orders-db', scopes: ['read'], changes: lasting })
    const accounts = await stack.accounts()
    failRecords()
    stack.cosmos.faults.add({ container: 'leases', action: 'replace', status: 503 })
    const answer = await stack.exchange({ audience: id })
    stack.cosmos.faults.clear()
    await expectRefused(stack, answer, unrecorded)
    expect(await stack.accounts()).toEqual(accounts)
    const [lease] = await leasesOf(id)
    expect(lease).toMatchObject({ state: 'reserved', vacant: false })

    const lapsed = new Date(Date.now() - 1_000).toISOString()
    await stack.changeLease(String(lease?.['id']), { mintUntil: lapsed, dueAt: lapsed })
    const issued = await stack.issue({ audience: id })
    expect(issued.lease_id).not.toBe(lease?.['id'])
    expect(issued.credential['username']).not.toBe(lease?.['account'])
    await stack.gateway.runTimer('revoke-expired')
    await expectAccountedFor(stack)
  })

  test('means that a live lease is told to nobody and stays as it is', async () => {
    const id = fresh('orders-live')
    await stack.addTarget({ id, like: 'orders-db', scopes: ['read'], changes: lasting })
    const issued = await stack.issue({ audience: id })
    failRecords()
    const answer = await stack.exchange({ audience: id })
    stack.cosmos.faults.clear()
    await expectRefused(stack, answer, unrecorded)
    expect(answer.text).not.toContain(issued.access_token)
    const client = await logIn(issued)
    await client.end()
    expect((await stack.issue({ audience: id })).lease_id).toBe(issued.lease_id)
  })

  test('means that a static secret is told to nobody', async () => {
    const text = value()
    stack.vault.set('key-unrecorded', text)
    await addSecretTarget('key-unrecorded')
    expect((await stack.issue({ audience: 'key-unrecorded' })).access_token).toBe(text)
    failRecords()
    const answer = await stack.exchange({ audience: 'key-unrecorded' })
    stack.cosmos.faults.clear()
    await expectRefused(stack, answer, unrecorded)
    expect(answer.text).not.toContain(text)
  })

  test('means that a denial is an outage: nobody is refused without a record', async () => {
    failRecords()
    const answer = await stack.exchange({ audience: 'mainframe-ftp' })
    stack.cosmos.faults.clear()
    await expectRefused(stack, answer, unrecorded)
  })

  test('though it may have been, makes no account: every answer to the write was an error', async () => {
    const id = fresh('orders-unclear')
    await stack.addTarget({ id, like: 'orders-db', scopes: ['read'] })
    const accounts = await stack.accounts()
    stack.cosmos.faults.add({ container: 'decisions', action: 'create', when: 'after-commit', status: 503 })
    const { status, body } = await stack.exchange({ audience: id })
    stack.cosmos.faults.clear()
    expect({ status, error: body['error'] }).toEqual({ status: 503, error: 'temporarily_unavailable' })
    expect(await stack.linesOf(String(body['decision_id']))).toEqual([
      expect.objectContaining({ level: 'warn', reason: 'record_unavailable' }),
    ])
    expect(await stack.accounts()).toEqual(accounts)
  })

  test.each(['before', 'after-commit'] as const)(
    'because the connection ended (%s) is sent again, and is there once before anything leaves',
    async when => {
      const id = fresh(`orders-interrupted-${when}`)
      await stack.addTarget({ id, like: 'orders-db', scopes: ['read'] })
      stack.cosmos.faults.add({ container: 'decisions', action: 'create', when, times: 1, reset: true })
      const issued = await stack.issue({ audience: id })
      expect(await stack.recordsOf(issued.decision_id)).toEqual([expect.objectContaining({ outcome: 'allowed' })])
    },
  )

  test('because every connection ends means that nothing is told, whether it is there or not', async () => {
    const id = fresh('orders-severed')
    await stack.addTarget({ id, like: 'orders-db', scopes: ['read'] })
    const accounts = await stack.accounts()
    stack.cosmos.faults.add({ container: 'decisions', action: 'create', reset: true })
    const answer = await stack.exchange({ audience: id })
    stack.cosmos.faults.clear()
    await expectRefused(stack, answer, unrecorded)
    expect(await stack.accounts()).toEqual(accounts)
  })
})

test('a lease that cannot be made active is not handed out, and its account is on the way to its end', async () => {
  const id = fresh('orders-lost')
  await stack.addTarget({ id, like: 'orders-db', scopes: ['read'] })
  stack.cosmos.faults.add({ container: 'leases', action: 'replace', status: 503 })
  const answer = await stack.exchange({ audience: id })
  stack.cosmos.faults.clear()
  await expectRefused(stack, answer, { ...outage, reason: 'lease_unavailable' })
  const [lease] = await leasesOf(id)
  expect(lease).toMatchObject({ state: 'reserved' })
  expect(await stack.accounts()).toContain(lease?.['account'])

  const lapsed = new Date(Date.now() - 1_000).toISOString()
  await stack.changeLease(String(lease?.['id']), { mintUntil: lapsed, dueAt: lapsed })
  await stack.gateway.runTimer('revoke-expired')
  expect(await stack.accounts()).not.toContain(lease?.['account'])
})
