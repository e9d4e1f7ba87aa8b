import * as oauth from 'oauth4webapi'
import { None } from 'openid-client'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { Host } from '../../../infra/local/host/spawn.ts'
import { startGateway } from '../../../infra/local/stack.ts'
import { type Document, type RunningStack, runStack } from '../../running-stack.ts'
import {
  type Asked,
  authorizationServer,
  clients,
  discover,
  type Exchanged,
  type OAuthClient,
  requestToken,
  type Surfaced,
} from './clients.ts'

let stack: RunningStack
/** Another instance, which lets each workload through once in ten seconds. */
let strict: Host

beforeAll(async () => {
  stack = await runStack()
  strict = await startGateway(stack, { settings: { CAUSEWAY_WORKLOAD_RATE: '0.1' } })
  // A value that can be read by nobody, now.
  stack.vault.set('partner-key', 'an-api-key-of-thirty-two-letters')
  stack.vault.faults.inject({ name: 'partner-key', status: 503 })
  await addKeyTarget('partner-api', 'partner-key')
})
afterEach(async () => expect(await stack.leaks()).toEqual([]))
afterAll(async () => {
  await strict?.stop()
  await stack?.stop()
})

async function addKeyTarget(id: string, secret: string, changes: Document = {}): Promise<void> {
  const key = { secret: { vault: 'corp', secret } }
  const defined = { scopes: { key }, defaultScopes: ['key'], settings: {}, ...changes }
  await stack.addTarget({ id, like: 'mainframe-ftp', changes: defined, scopes: ['key'] })
}

async function exchange(client: OAuthClient, scope: 'read' | 'write' = 'read'): Promise<Exchanged> {
  const subjectToken = await stack.podToken()
  const exchanged = await client.exchange(stack.gateway.url, { subjectToken, audience: 'orders-db', scope })
  stack.note(exchanged.accessToken)
  return exchanged
}

async function refused(client: OAuthClient, work: Promise<unknown>): Promise<Surfaced> {
  const done = await work.then(
    () => ({ succeeded: true }),
    (error: unknown) => ({ error }),
  )
  if (!('error' in done)) throw new Error('expected a refusal')
  return client.surfaced(done.error)
}

/** Asks until it is too often: a bucket of one exchange in ten seconds may just have been filled. */
async function slowedDown(ask: () => Promise<Surfaced | undefined>): Promise<Surfaced> {
  for (let attempt = 0; attempt < 5; attempt++) {
    const told = await ask()
    if (told?.status === 429) return told
  }
  throw new Error('expected 429 of one in five')
}

describe.each(clients)('$name', client => {
  test('exchanges a token, and hands over what an answer says', async () => {
    const exchanged = await exchange(client)
    expect(exchanged).toMatchObject({
      tokenType: expect.stringMatching(/^n_a$/i),
      issuedTokenType: 'urn:causeway:token-type:username-password',
      scope: 'read',
    })
    expect(exchanged.expiresIn).toBeGreaterThan(0)
    const lease = (await stack.leases()).find(({ id }) => id === exchanged.lease)
    expect(lease).toMatchObject({ state: 'active', target: 'orders-db' })
  })

  test.each<[string, Partial<Asked>, string, RegExp, string]>([
    ['of nobody', { subjectToken: 'not.a.token' }, 'invalid_request', /not a signed JWT/, 'token_malformed'],
    ['for a target that is denied', { audience: 'mainframe-ftp' }, 'invalid_target', /unknown, or/, 'no_rule'],
    ['for a target that is unknown', { audience: 'nowhere' }, 'invalid_target', /unknown, or/, 'target_unknown'],
    ['for a scope that is unknown', { scope: 'drop' }, 'invalid_scope', /scope/, 'scope_unknown'],
  ])('surfaces the error of a request %s, and its description', async (_, changed, error, description, reason) => {
    const asked = { subjectToken: await stack.podToken(), audience: 'orders-db', scope: 'read', ...changed }
    const { decision, ...told } = await refused(client, client.exchange(stack.gateway.url, asked))
    expect(told).toEqual({ status: 400, error, description: expect.stringMatching(description), retryAfter: undefined })
    const [record] = await stack.recordsOf(decision ?? '')
    const logged = record ?? (await stack.countOf(decision ?? '')).count
    expect(logged).toMatchObject({ outcome: record ? 'denied' : 'refused', reason })
  })

  test('surfaces slow_down, and when to ask again', async () => {
    const asked = { subjectToken: await stack.podToken(), audience: 'nowhere', scope: 'read' }
    const told = await slowedDown(() => refused(client, client.exchange(strict.url, asked)))
    expect(told).toMatchObject({ error: 'slow_down', retryAfter: expect.stringMatching(/^[1-9]\d*$/) })
  })

  test('surfaces that something is unavailable, and when to ask again', async () => {
    const asked = { subjectToken: await stack.podToken(), audience: 'partner-api', scope: 'key' }
    const { error, ...told } = await refused(client, client.exchange(stack.gateway.url, asked))
    expect(told).toMatchObject({ status: 503, retryAfter: expect.stringMatching(/^[1-9]\d*$/) })
    // Two of the three clients keep the body of a 5xx to themselves.
    expect(error ?? 'temporarily_unavailable').toBe('temporarily_unavailable')
    const failed = (await stack.records()).filter(({ reason }) => reason === 'vault_unavailable')
    expect(failed.at(-1)).toMatchObject({ outcome: 'failed', asked: { target: 'partner-api' } })
  })
})

describe.each(clients.filter(({ revoke }) => revoke))('$name', client => {
  const revoke = async (token: string, assertion: string) => client.revoke?.(stack.gateway.url, token, assertion)
  const stateOf = async (id: string) => (await stack.leases()).find(lease => lease['id'] === id)?.['state']

  test.each<[string, (exchanged: Exchanged) => string]>([
    ['the lease_id', ({ lease }) => lease],
    ['the access_token', ({ accessToken }) => accessToken],
  ])('revokes by %s: the lease ends, and the next exchange gives another', async (_, tokenOf) => {
    const exchanged = await exchange(client, 'write')
    await revoke(tokenOf(exchanged), await stack.podToken())
    expect(await stateOf(exchanged.lease)).toBe('revoking')
    const again = await exchange(client, 'write')
    expect(again.lease).not.toBe(exchanged.lease)
    expect(again.accessToken).not.toBe(exchanged.accessToken)
  })

  test("is told nothing, and changes nothing, where the token is unknown or another workload's", async () => {
    const exchanged = await exchange(client)
    for (const pod of ['billing/batch', 'payments/api 2'] as const) {
      await revoke(exchanged.lease, await stack.podToken(pod))
      await revoke(exchanged.accessToken, await stack.podToken(pod))
    }
    await revoke('nothing-of-ours', await stack.podToken())
    expect(await stateOf(exchanged.lease)).toBe('active')
  })

  test('is refused where the assertion proves nobody', async () => {
    const { lease } = await exchange(client)
    const { decision, ...told } = await refused(client, revoke(lease, 'not.a.token'))
    expect(told).toMatchObject({
      status: 400,
      error: 'invalid_client',
      description: expect.stringMatching(/not a signed JWT/),
    })
    const { count } = await stack.countOf(decision ?? '')
    expect(count).toMatchObject({ reason: 'token_malformed' })
    expect(await stateOf(lease)).toBe('active')
  })

  test('surfaces slow_down of a revocation', async () => {
    const assertion = await stack.podToken('quarantine/api')
    const asking = async () => client.revoke?.(strict.url, 'nothing-of-ours', assertion)
    const told = await slowedDown(() => refused(client, asking()).catch(() => undefined))
    expect(told).toMatchObject({ error: 'slow_down', retryAfter: expect.stringMatching(/^[1-9]\d*$/) })
  })
})

test.each(['oidc', 'oauth2'] as const)('openid-client discovers the gateway by %s alone', async algorithm => {
  const configuration = await discover(stack.gateway.url, None(), algorithm)
  const { gateway } = stack
  // It adds what it was told of the server; the gateway's own members must be these.
  expect(configuration.serverMetadata()).toMatchObject({
    issuer: gateway.url,
    token_endpoint: `${gateway.url}/token`,
    revocation_endpoint: `${gateway.url}/revoke`,
    grant_types_supported: ['urn:ietf:params:oauth:grant-type:token-exchange'],
    token_endpoint_auth_methods_supported: ['none'],
  })
})

test('oauth4webapi discovers exactly what RFC 8414 wants said, and nothing that is not so', async () => {
  const { gateway } = stack
  expect(await authorizationServer(gateway.url)).toEqual({
    issuer: gateway.url,
    token_endpoint: `${gateway.url}/token`,
    grant_types_supported: ['urn:ietf:params:oauth:grant-type:token-exchange'],
    token_endpoint_auth_methods_supported: ['none'],
    revocation_endpoint: `${gateway.url}/revoke`,
    revocation_endpoint_auth_methods_supported: ['private_key_jwt'],
    // The algorithms that an issuer's document may allow: never HMAC or none.
    revocation_endpoint_auth_signing_alg_values_supported: [
      ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512'],
    ],
    response_types_supported: ['none'],
  })
})

test('oauth4webapi that was not told of N_A takes a Bearer answer, and refuses one of N_A', async () => {
  stack.vault.set('bearer-key', 'a-bearer-key-of-thirty-two-chars')
  stack.note('a-bearer-key-of-thirty-two-chars')
  await addKeyTarget('bearer-api', 'bearer-key', { tokenType: 'Bearer' })
  const untold = async (audience: string, scope: string) => {
    const asked = { subjectToken: await stack.podToken(), audience, scope }
    const { server, client, response } = await requestToken(stack.gateway.url, asked)
    return oauth.processGenericTokenEndpointResponse(server, client, response)
  }
  expect(await untold('bearer-api', 'key')).toMatchObject({ token_type: 'bearer' })
  await expect(untold('orders-db', 'read')).rejects.toBeInstanceOf(oauth.UnsupportedOperationError)
})
