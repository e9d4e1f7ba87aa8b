import { randomUUID } from 'node:crypto'
import { CosmosClient, type Database } from '@azure/cosmos'
import { SecretClient } from '@azure/keyvault-secrets'
import { allowInsecureRequests, discovery, genericGrantRequest, None, ResponseBodyError } from 'openid-client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type IdentityName, identities } from '../../infra/local/access.ts'
import { type Document, logIn, type RunningStack, runStack } from '../running-stack.ts'

let stack: RunningStack
const opened: CosmosClient[] = []

beforeAll(async () => {
  stack = await runStack()
})
afterAll(async () => {
  for (const client of opened) client.dispose()
  await stack?.stop()
})

/** A token such as the gateway's managed identity of that role gets. */
function credentialOf(name: IdentityName, audience: string) {
  const { clientId, objectId } = identities[name]
  const getToken = async () => ({
    token: await stack.tenant.sign({ aud: audience, azp: clientId, oid: objectId }),
    expiresOnTimestamp: Date.now() + 3_600_000,
  })
  return { getToken }
}

function databaseAs(name: IdentityName): Database {
  const { endpoint, database } = stack.description.cosmos
  const client = new CosmosClient({ endpoint, aadCredentials: credentialOf(name, endpoint) })
  opened.push(client)
  return client.database(database)
}

function vaultAs(name: IdentityName): SecretClient {
  return new SecretClient(stack.vault.url, credentialOf(name, 'https://vault.azure.net'), {
    disableChallengeResourceVerification: true,
    retryOptions: { maxRetries: 0 },
  })
}

const forbidden = { code: 403 }

describe('the identity of the exchange', () => {
  const rule = { id: 'mine', target: 'orders-db', effect: 'allow' }

  test('reads rules, and creates, replaces and deletes none', async () => {
    const rules = databaseAs('exchange').container('rules')
    const item = rules.item('payments-api-orders', 'orders-db')
    const { resource } = await item.read<Document>()
    expect(resource?.['id']).toBe('payments-api-orders')
    await expect(rules.items.create(rule)).rejects.toMatchObject(forbidden)
    await expect(rules.items.upsert(rule)).rejects.toMatchObject(forbidden)
    await expect(item.replace({ ...resource, scopes: ['drop'] })).rejects.toMatchObject(forbidden)
    await expect(item.delete()).rejects.toMatchObject(forbidden)
    const batch = rules.items.batch([{ operationType: 'Create', resourceBody: rule }], 'orders-db')
    await expect(batch).rejects.toMatchObject({ cause: forbidden })
    expect((await item.read<Document>()).resource).toEqual(resource)
  })

  test.each(['issuers', 'targets', 'lockdowns', 'calendars'])('writes no document of %s', async container => {
    const { items } = databaseAs('exchange').container(container)
    await expect(items.create({ id: 'mine' })).rejects.toMatchObject(forbidden)
    await expect(items.upsert({ id: 'mine' })).rejects.toMatchObject(forbidden)
  })

  test('creates records and reads them, and neither replaces nor deletes one', async () => {
    const decisions = databaseAs('exchange').container('decisions')
    const record = { id: '000000000001', stream: `2026-11-22T10/${randomUUID()}/0`, outcome: 'denied' }
    await decisions.items.create(record)
    const item = decisions.item(record.id, record.stream)
    await expect(item.replace({ ...record, outcome: 'allowed' })).rejects.toMatchObject(forbidden)
    await expect(decisions.items.upsert({ ...record, outcome: 'allowed' })).rejects.toMatchObject(forbidden)
    await expect(item.delete()).rejects.toMatchObject(forbidden)
    expect((await item.read<Document>()).resource?.['outcome']).toBe('denied')
  })

  test('makes no container', async () => {
    await expect(databaseAs('exchange').containers.create({ id: 'mine' })).rejects.toMatchObject(forbidden)
  })

  test("reads the minter's password and the derivation key, not the revoker's password, and sets nothing", async () => {
    const vault = vaultAs('exchange')
    expect((await vault.getSecret('orders-db-minter')).value).toBe(stack.secrets['orders-db-minter'])
    expect((await vault.getSecret('causeway-derivation-key')).value).toBe(stack.secrets['causeway-derivation-key'])
    await expect(vault.getSecret('orders-db-revoker')).rejects.toMatchObject({ statusCode: 403 })
    await expect(vault.setSecret('orders-db-minter', 'mine')).rejects.toMatchObject({ statusCode: 403 })
  })
})

describe('the identity of the operators', () => {
  test.each(['orders-db-minter', 'orders-db-revoker', 'causeway-derivation-key', 'mainframe-ftp'])(
    'does not read the secret %s',
    async name => {
      await expect(vaultAs('manage').getSecret(name)).rejects.toMatchObject({ statusCode: 403 })
    },
  )

  test('writes rules, and makes no lease nor changes a record', async () => {
    const database = databaseAs('manage')
    await database.container('rules').items.create({ id: randomUUID(), target: 'nobodys-target' })
    await expect(database.container('leases').items.create({ id: 'a.0', slot: 'a' })).rejects.toMatchObject(forbidden)
    const decisions = database.container('decisions')
    const record = { id: '1', stream: randomUUID() }
    await decisions.items.create(record)
    const item = decisions.item(record.id, record.stream)
    await expect(item.replace(record)).rejects.toMatchObject(forbidden)
    await expect(item.delete()).rejects.toMatchObject(forbidden)
  })
})

describe('the identity of the timers', () => {
  test("reads the revoker's password, and neither the minter's nor the derivation key", async () => {
    const vault = vaultAs('timers')
    expect((await vault.getSecret('orders-db-revoker')).value).toBe(stack.secrets['orders-db-revoker'])
    for (const name of ['orders-db-minter', 'causeway-derivation-key', 'mainframe-ftp']) {
      await expect(vault.getSecret(name)).rejects.toMatchObject({ statusCode: 403 })
    }
  })

  test('makes neither a rule nor a lease', async () => {
    const database = databaseAs('timers')
    await expect(database.container('leases').items.create({ id: 'a.0', slot: 'a' })).rejects.toMatchObject(forbidden)
    await expect(database.container('rules').items.create({ id: 'a', target: 'a' })).rejects.toMatchObject(forbidden)
  })
})

test('a pod, an operator and an unknown application are nobody to Cosmos DB and Key Vault', async () => {
  const { endpoint, database } = stack.description.cosmos
  for (const token of [await stack.podToken(), await stack.operatorToken({ scope: `${endpoint}/.default` })]) {
    const getToken = async () => ({ token, expiresOnTimestamp: Date.now() + 3_600_000 })
    const client = new CosmosClient({ endpoint, aadCredentials: { getToken } })
    opened.push(client)
    const reading = client.database(database).container('rules').item('payments-api-orders', 'orders-db').read()
    await expect(reading).rejects.toMatchObject({ code: 401 })
    const vault = new SecretClient(stack.vault.url, { getToken }, { disableChallengeResourceVerification: true })
    await expect(vault.getSecret('mainframe-ftp')).rejects.toMatchObject({ statusCode: 401 })
  }
})

describe('openid-client, which knows nothing of this gateway', () => {
  const grant = 'urn:ietf:params:oauth:grant-type:token-exchange'
  const discovered = (algorithm: 'oidc' | 'oauth2') =>
    discovery(new URL(stack.gateway.url), 'a-pod', undefined, None(), { execute: [allowInsecureRequests], algorithm })

  test.each(['oidc', 'oauth2'] as const)('discovers it (%s) and exchanges a token for a login', async algorithm => {
    const configuration = await discovered(algorithm)
    expect(configuration.serverMetadata().issuer).toBe(stack.gateway.url)
    const answer = await genericGrantRequest(configuration, grant, {
      subject_token: await stack.podToken(),
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      audience: 'orders-db',
      scope: 'read',
    })
    expect(answer.scope).toBe('read')
    const client = await logIn({ credential: answer['credential'] as Record<string, string | number> })
    const { rows } = await client.query('SELECT count(*) > 0 AS some FROM orders')
    await client.end()
    expect(rows).toEqual([{ some: true }])
    expect((answer['credential'] as Document)['password']).toBe(answer.access_token)
  })

  test('understands a refusal', async () => {
    const asking = genericGrantRequest(await discovered('oauth2'), grant, {
      subject_token: await stack.podToken(),
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      audience: 'mainframe-ftp',
    })
    const refusal = await asking.catch(error => error)
    expect(refusal).toBeInstanceOf(ResponseBodyError)
    expect(refusal).toMatchObject({ error: 'invalid_target', status: 400 })
  })
})
