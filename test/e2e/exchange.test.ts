import { dirname, join } from 'node:path'
import { Client } from 'pg'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { openCertificateAuthority } from '../../infra/local/certificate-authority.ts'
import { asSuperuser } from '../../infra/local/postgresql/demo-database.ts'
import { audience } from '../../infra/local/world.ts'
import { type Document, type Issued, logIn, type RunningStack, runStack } from '../running-stack.ts'

let stack: RunningStack

beforeAll(async () => {
  stack = await runStack()
})
afterEach(async () => expect(await stack.leaks()).toEqual([]))
afterAll(() => stack?.stop())

const read = { audience: 'orders-db', scope: 'read' }
const write = { audience: 'orders-db', scope: 'write' }
const insert = "INSERT INTO orders (customer, amount) VALUES ('Barbara', 1.00)"
const tokenType = (name: string) => `urn:ietf:params:oauth:token-type:${name}`

/** PostgreSQL's insufficient_privilege. */
const refused = { code: '42501' }

/** Runs statements in one session of a login. */
async function asLogin<T>(issued: Issued, work: (client: Client) => Promise<T>): Promise<T> {
  const client = await logIn(issued)
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

test("a pod's token becomes a login that pg accepts with the credential's fields, over TLS, as itself", async () => {
  const issued = await stack.issue(read)
  const account = issued.credential['username']
  const sessions = await asLogin(issued, () =>
    // A session that acts as its scope's role sees nothing of itself there.
    asSuperuser(stack.postgresql, 'postgres', async client => {
      const query = 'SELECT usename::text AS account, ssl FROM pg_stat_activity JOIN pg_stat_ssl USING (pid)'
      return (await client.query(`${query} WHERE usename = $1`, [account])).rows
    }),
  )
  expect(sessions).toEqual([{ account, ssl: true }])
  expect(issued.access_token).toBe(issued.credential['password'])
  expect(issued.credential).toMatchObject({ database: 'orders', host: 'localhost', port: stack.postgresql.port })
})

test("the credential's caCertificate is what the server is known by: with another authority no login is sent", async () => {
  const { credential } = await stack.issue(read)
  const { certificate } = await openCertificateAuthority(join(dirname(stack.description.ca), 'other'))
  await expect(logIn({ credential: { ...credential, caCertificate: certificate } })).rejects.toMatchObject({
    code: 'CERT_SIGNATURE_FAILURE',
  })
})

test('the uri of a login is enough for a client that takes a connection string', async () => {
  const { credential } = await stack.issue(read)
  const client = new Client({ connectionString: String(credential['uri']) })
  await client.connect()
  const { rows } = await client.query('SELECT session_user::text AS account')
  await client.end()
  expect(rows).toEqual([{ account: credential['username'] }])
})

test('a login for read selects orders, and neither inserts, updates, deletes, creates nor becomes another role', async () => {
  await asLogin(await stack.issue(read), async client => {
    expect((await client.query('SELECT customer FROM orders WHERE id = 1')).rows).toEqual([{ customer: 'Ada' }])
    for (const statement of [
      insert,
      'UPDATE orders SET amount = 0',
      'DELETE FROM orders',
      'CREATE TABLE mine (id integer)',
      'CREATE ROLE friend LOGIN',
      'SET ROLE orders_write',
      'SET ROLE orders_owner',
    ]) {
      await expect(client.query(statement), statement).rejects.toMatchObject(refused)
    }
  })
})

test('a login for write inserts, and neither drops the table nor makes accounts', async () => {
  await asLogin(await stack.issue(write), async client => {
    expect((await client.query(insert)).rowCount).toBe(1)
    for (const statement of ['DROP TABLE orders', 'CREATE ROLE friend LOGIN', 'SET ROLE causeway_minter']) {
      await expect(client.query(statement), statement).rejects.toMatchObject(refused)
    }
  })
})

test('a login opens the database of its target and no other', async () => {
  const { credential } = await stack.issue(read)
  await expect(logIn({ credential: { ...credential, database: 'postgres' } })).rejects.toMatchObject(refused)
})

test('the answer of a login has exactly the documented members, and nobody may store it', async () => {
  const before = Date.now()
  const { answer, ...issued } = await stack.issue(read)
  expect(answer.headers.get('content-type')).toBe('application/json')
  expect(answer.headers.get('cache-control')).toBe('no-store')
  expect(Object.keys(answer.body)).toEqual([
    'access_token',
    'issued_token_type',
    'token_type',
    'expires_in',
    'expires_at',
    'refresh_in',
    'scope',
    'credential',
    'lease_id',
    'decision_id',
  ])
  expect(Object.keys(issued.credential).toSorted()).toEqual(
    ['username', 'password', 'host', 'port', 'database', 'uri', 'caCertificate'].toSorted(),
  )
  expect(issued).toMatchObject({
    issued_token_type: 'urn:causeway:token-type:username-password',
    token_type: 'N_A',
    scope: 'read',
  })
  // Between half and all of the ttl, whenever one asks.
  expect(issued.expires_in).toBeGreaterThanOrEqual(450)
  expect(issued.expires_in).toBeLessThanOrEqual(900)
  expect(issued.expires_in - issued.refresh_in).toBe(450)
  expect(Date.parse(issued.expires_at)).toBeGreaterThanOrEqual(before + issued.expires_in * 1000)
  const [lease] = (await stack.leases()).filter(({ id }) => id === issued.lease_id)
  expect(lease).toMatchObject({ expiresAt: issued.expires_at, account: issued.credential['username'] })
})

test('PostgreSQL itself ends the account no later than the answer says', async () => {
  const issued = await stack.issue(read)
  const [role] = await asSuperuser(stack.postgresql, 'postgres', async client => {
    const query = 'SELECT rolvaliduntil AS until FROM pg_roles WHERE rolname = $1'
    return (await client.query<{ until: Date }>(query, [issued.credential['username']])).rows
  })
  // The database's clock was measured when the account was made; it is the same clock here.
  expect(role?.until.getTime()).toBeLessThanOrEqual(Date.parse(issued.expires_at) + 100)
  expect(role?.until.getTime()).toBeGreaterThan(Date.parse(issued.expires_at) - 10_000)
})

test('asking again gives the same account, password and lease under another decision, and makes nothing', async () => {
  const first = await stack.issue(read)
  const accounts = await stack.accounts()
  const again = await stack.issue(read)
  expect(again.credential).toEqual(first.credential)
  expect(again.access_token).toBe(first.access_token)
  expect(again.lease_id).toBe(first.lease_id)
  expect(again.decision_id).not.toBe(first.decision_id)
  expect(await stack.accounts()).toEqual(accounts)
})

test('two requests of one pod at once get one account', async () => {
  await stack.addTarget({ id: 'orders-at-once', like: 'orders-db', scopes: ['read'] })
  const asked = { audience: 'orders-at-once', scope: 'read' }
  const logins = await Promise.all([1, 2, 3, 4].map(() => stack.issue(asked)))
  expect(new Set(logins.map(({ credential }) => credential['username'])).size).toBe(1)
  expect(new Set(logins.map(({ decision_id }) => decision_id)).size).toBe(4)
})

test('two pods of one workload get two accounts, and so do two scopes', async () => {
  const [one, two, other] = await Promise.all([
    stack.issue(read),
    stack.issue({ ...read, subject_token: await stack.podToken('payments/api 2') }),
    stack.issue(write),
  ])
  const accounts = [one, two, other].map(({ credential }) => credential['username'])
  const passwords = [one, two, other].map(({ access_token }) => access_token)
  expect(new Set(accounts).size).toBe(3)
  expect(new Set(passwords).size).toBe(3)
})

test('a rule that says share: workload gives two pods one account', async () => {
  const grant = { ttl: 'PT15M', share: 'workload' }
  await stack.addTarget({ id: 'orders-shared', like: 'orders-db', scopes: ['read'], grant })
  const asked = { audience: 'orders-shared', scope: 'read' }
  const one = await stack.issue(asked)
  const two = await stack.issue({ ...asked, subject_token: await stack.podToken('payments/api 2') })
  expect(two.lease_id).toBe(one.lease_id)
  expect(two.credential).toEqual(one.credential)
})

test('the ttl is the shortest of rule and target', async () => {
  const changes = { maxTtl: 'PT10M', defaultTtl: 'PT10M' }
  await stack.addTarget({ id: 'orders-brief', like: 'orders-db', changes, scopes: ['read'], grant: { ttl: 'PT30M' } })
  const issued = await stack.issue({ audience: 'orders-brief' })
  expect(issued.expires_in).toBeGreaterThanOrEqual(300)
  expect(issued.expires_in).toBeLessThanOrEqual(600)
})

test('a rule that ends cuts the login short', async () => {
  await stack.addTarget({ id: 'orders-ending', like: 'orders-db', scopes: ['read'] })
  const end = new Date(Math.ceil(Date.now() / 1000) * 1000 + 120_000).toISOString()
  const rules = stack.documents.container('rules')
  const { resource } = await rules.item('allow-orders-ending', 'orders-ending').read<Document>()
  await rules.items.upsert({ ...resource, expiresAt: end })
  const answer = await stack.exchange({ audience: 'orders-ending' })
  expect(answer.body).toMatchObject({ expires_at: end })
})

test('a static secret comes as the members of its JSON beside the settings of its target, without a lease', async () => {
  const issued = await stack.issue({
    audience: 'mainframe-ftp',
    subject_token: await stack.podToken('billing/batch'),
  })
  const { password } = JSON.parse(stack.secrets['mainframe-ftp'] ?? '')
  expect(issued.answer.body).toEqual({
    access_token: password,
    issued_token_type: 'urn:causeway:token-type:secret',
    token_type: 'N_A',
    expires_in: issued.expires_in,
    expires_at: issued.expires_at,
    refresh_in: issued.refresh_in,
    scope: 'login',
    credential: { username: 'MFBATCH', password, host: 'mainframe.corp.example', port: 21 },
    decision_id: issued.decision_id,
  })
  expect(issued.expires_in).toBeLessThanOrEqual(900)
  const [record] = await stack.recordsOf(issued.decision_id)
  expect(record?.['credential']).toMatchObject({ vault: 'corp', secret: 'mainframe-ftp' })
})

test("the record of a static secret names the secret's version, and its exp ends what is handed out", async () => {
  const expiresOn = new Date(Math.floor(Date.now() / 1000) * 1000 + 300_000)
  const value = 'an-api-key-of-thirty-two-letters'
  const { version } = stack.vault.set('partner-key', value, { expiresOn })
  stack.note(value)
  const key = { secret: { vault: 'corp', secret: 'partner-key' } }
  await stack.addTarget({
    id: 'partner-api',
    like: 'mainframe-ftp',
    changes: { scopes: { key }, defaultScopes: ['key'], settings: {}, tokenType: 'Bearer' },
    scopes: ['key'],
  })
  const issued = await stack.issue({ audience: 'partner-api' })
  expect(issued).toMatchObject({
    access_token: value,
    credential: { value },
    token_type: 'Bearer',
    expires_at: expiresOn.toISOString(),
  })
  const [record] = await stack.recordsOf(issued.decision_id)
  expect(record?.['credential']).toEqual({ vault: 'corp', secret: 'partner-key', version })
})

test('the record of a login tells who, by which rule at which version, on which facts, and names the account', async () => {
  const { resource: rule } = await stack.documents
    .container('rules')
    .item('payments-api-orders', 'orders-db')
    .read<Document>()
  const issued = await stack.issue(read)
  const records = await stack.recordsOf(issued.decision_id)
  expect(records).toHaveLength(1)
  expect(records[0]).toMatchObject({
    kind: 'exchange',
    outcome: 'allowed',
    asked: { target: 'orders-db', scopes: ['read'] },
    workload: {
      issuer: { id: 'aks-local', labels: { environment: 'prod' } },
      subject: 'system:serviceaccount:payments:api',
      namespace: 'payments',
      serviceAccount: { name: 'api' },
      pod: { name: 'api-7d9c6b5f4-x2x7k' },
    },
    client: { address: '127.0.0.1', provenance: 'direct' },
    facts: { target: { id: 'orders-db' }, scopes: ['read'] },
    rules: [{ id: 'payments-api-orders', target: 'orders-db', version: rule?.['_etag'] }],
    grant: { scopes: ['read'], ttl: 900_000, share: 'pod' },
    credential: { lease: issued.lease_id, account: issued.credential['username'] },
  })
  const trace = records[0]?.['trace'] as readonly Document[]
  expect(trace.find(({ rule: id }) => id === 'payments-api-orders')).toMatchObject({ selected: true, matched: true })
  // The guardrail about another namespace could not matter, and is counted.
  expect(trace.some(({ rule: id }) => id === 'quarantine')).toBe(false)
  expect(records[0]).toMatchObject({ passedOver: 1 })
})

test('a denial is recorded with its trace, and names no credential', async () => {
  const answer = await stack.exchange({ audience: 'mainframe-ftp' })
  expect(answer.status).toBe(400)
  expect(answer.body).toMatchObject({ error: 'invalid_target' })
  const [record, ...more] = await stack.recordsOf(String(answer.body['decision_id']))
  expect(more).toEqual([])
  expect(record).toMatchObject({ outcome: 'denied', code: 'invalid_target', reason: 'no_rule' })
  expect(record).not.toHaveProperty('credential')
  expect(record?.['trace']).toContainEqual(
    expect.objectContaining({
      rule: 'billing-batch-mainframe',
      selected: false,
      tests: [
        { test: 'issuer', met: true, expected: 'aks-local', found: 'aks-local' },
        { test: 'namespace', met: false, expected: 'billing', found: 'payments' },
      ],
    }),
  )
})

test('the record that is in Cosmos DB is printed too, as one line, word for word', async () => {
  const login = await stack.issue(read)
  const secret = await stack.issue({
    audience: 'mainframe-ftp',
    subject_token: await stack.podToken('billing/batch'),
  })
  const denied = await stack.exchange({ audience: 'mainframe-ftp' })
  for (const decision of [login.decision_id, secret.decision_id, String(denied.body['decision_id'])]) {
    const [record] = await stack.recordsOf(decision)
    const stored = Object.entries(record ?? {}).filter(([name]) => !name.startsWith('_'))
    expect(await stack.linesOf(decision)).toEqual([Object.fromEntries(stored)])
  }
})

test('every account that PostgreSQL has, has a lease and an allowed record that names it', async () => {
  await stack.issue(read)
  const [accounts, leases, records] = [await stack.accounts(), await stack.leases(), await stack.records()]
  const active = leases.filter(({ state }) => state === 'active').map(({ account }) => account)
  const allowed = records
    .filter(({ outcome }) => outcome === 'allowed')
    .map(({ credential }) => (credential as Document)['account'])
  expect(accounts.length).toBeGreaterThan(0)
  for (const account of accounts) {
    expect(active).toContain(account)
    expect(allowed).toContain(account)
  }
})

test("resource with the target's URI asks for the same as audience with its id", async () => {
  const byId = await stack.issue(read)
  const byUri = await stack.issue({ resource: 'postgresql://orders.corp.example/orders', scope: 'read' })
  expect(byUri.lease_id).toBe(byId.lease_id)
  expect(byUri.credential).toEqual(byId.credential)
})

test("no scope asks for the target's default scopes", async () => {
  const named = await stack.issue(read)
  const unnamed = await stack.issue({ audience: 'orders-db' })
  expect(unnamed.scope).toBe('read')
  expect(unnamed.lease_id).toBe(named.lease_id)
})

test('two scopes give one login that can do both', async () => {
  const issued = await stack.issue({ audience: 'orders-db', scope: 'read write' })
  expect(issued.scope).toBe('read write')
  await asLogin(issued, async client => {
    expect((await client.query('SELECT customer FROM orders WHERE id = 2')).rows).toEqual([{ customer: 'Grace' }])
    expect((await client.query(insert)).rowCount).toBe(1)
  })
})

test.each([
  ['access_token, which fits every target', tokenType('access_token')],
  ["the target's own type", 'urn:causeway:token-type:username-password'],
])('requested_token_type may be %s', async (_, requested) => {
  const issued = await stack.issue({ ...read, requested_token_type: requested })
  expect(issued.issued_token_type).toBe('urn:causeway:token-type:username-password')
})

test.each(['jwt', 'id_token', 'access_token'])('a subject_token_type of %s is understood', async name => {
  const issued = await stack.issue({ ...read, subject_token_type: tokenType(name) })
  expect(issued.credential['username']).toMatch(/^cw_local_[a-z2-7]{16}$/)
})

test('a token of the same pod that was issued anew gets the same account', async () => {
  const one = await stack.issue({ ...read, subject_token: await stack.podToken() })
  const pod = { namespace: 'payments', serviceAccount: 'api', pod: 'api-7d9c6b5f4-x2x7k' }
  const token = await stack.cluster.token({ ...pod, audiences: [audience], expirationSeconds: 1800 })
  const two = await stack.issue({ ...read, subject_token: token })
  expect(two.lease_id).toBe(one.lease_id)
})

test('when its time is up the timer ends the live session, the login and the role, and records what it saw', async () => {
  await stack.addTarget({ id: 'orders-due', like: 'orders-db', scopes: ['read'] })
  const issued = await stack.issue({ audience: 'orders-due' })
  const account = issued.credential['username']
  const session = await logIn(issued)
  const past = new Date(Date.now() - 60_000).toISOString()
  await stack.changeLease(issued.lease_id ?? '', { mintUntil: past, expiresAt: past, dueAt: past })

  await stack.gateway.runTimer('revoke-expired')
  expect((await stack.leases()).find(({ id }) => id === issued.lease_id)).toMatchObject({
    state: 'revoked',
    cause: 'expired',
  })
  await expect(session.query('SELECT 1')).rejects.toThrow()
  await expect(logIn(issued)).rejects.toMatchObject({ code: '28P01' })
  expect(await stack.accounts()).not.toContain(account)
  const revocations = (await stack.records()).filter(({ kind }) => kind === 'revocation')
  const [record] = revocations.filter(({ lease }) => (lease as Document)['id'] === issued.lease_id)
  expect(record).toMatchObject({
    outcome: 'revoked',
    lease: {
      account,
      target: 'orders-due',
      cause: 'expired',
      reservedBy: issued.decision_id,
      evidence: { absent: true, sessionsEnded: 1 },
    },
  })
})

test('what is not due yet survives the timer', async () => {
  const issued = await stack.issue(read)
  await stack.gateway.runTimer('revoke-expired')
  await asLogin(issued, client => client.query('SELECT 1'))
})
