import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { openCertificateAuthority } from '../../infra/local/certificate-authority.ts'
import { pods } from '../../infra/local/world.ts'
import { type Door, openDoor } from '../faults/door.ts'
import { type Document, type Issued, logIn, type PodName, type RunningStack, runStack } from '../running-stack.ts'
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

const podUid = pods.find(({ name }) => name === 'api-7d9c6b5f4-x2x7k')?.uid ?? ''

/** A live lease of a target of its own. */
async function live(pod: PodName = 'payments/api', audience = `orders-${randomUUID()}`): Promise<Live> {
  const namespace = pod.split('/')[0] ?? ''
  await stack.addTarget({ id: audience, like: 'orders-db', namespace, scopes: ['read'] })
  const issued = await stack.issue({ audience, subject_token: await stack.podToken(pod) })
  await stack.changeLease(issued.lease_id ?? '', { mintUntil: new Date(Date.now() - 60_000).toISOString() })
  return { audience, issued, id: issued.lease_id ?? '' }
}

interface Live {
  readonly audience: string
  readonly issued: Issued
  readonly id: string
}

/** The leases of a target: two of one pod's where a window was about to end when the first was issued. */
const leasesOf = async (target: string) => (await stack.leases()).filter(lease => lease['target'] === target)
const idsOf = (leases: readonly Document[]) => leases.map(({ id }) => String(id)).toSorted()
const stored = async (id: string) => (await stack.leases()).find(lease => lease['id'] === id)
const revoke = (id: string, roles?: readonly string[]) =>
  manage(`leases/${id}/revoke`, { method: 'POST', ...(roles && { roles }) })
const revokeMatching = (body: unknown, query = '', roles?: readonly string[]) =>
  manage(`leases/revoke${query}`, { method: 'POST', body, ...(roles && { roles }) })

async function foundBy(query: Readonly<Record<string, string>>, roles?: readonly string[]): Promise<readonly string[]> {
  const answer = await manage(`leases?${new URLSearchParams(query)}`, { ...(roles && { roles }) })
  expect({ status: answer.status, body: answer.body }).toMatchObject({ status: 200 })
  return (answer.body['leases'] as Document[]).map(({ id }) => String(id))
}

describe('a search', () => {
  test('finds leases by what they are for and how they stand, each filter for itself and all together', async () => {
    const [one, other] = [await live(), await live('billing/batch')]
    const { account, expiresAt } = (await stored(one.id)) ?? {}
    const later = new Date(Date.parse(String(expiresAt)) + 1).toISOString()
    const target = one.audience
    for (const filter of [
      { target },
      { namespace: 'payments' },
      { serviceAccount: 'api' },
      { issuer: 'aks-local', subject: 'system:serviceaccount:payments:api' },
      { pod: podUid },
      { account: String(account) },
      { rule: `allow-${target}` },
      { state: 'active', target, expiresBefore: later },
    ]) {
      const found = await foundBy(filter)
      expect({ filter, one: found.includes(one.id), other: found.includes(other.id) }).toMatchObject({
        one: true,
        other: false,
      })
    }
    expect(await foundBy({ target, namespace: 'billing' })).toEqual([])
    expect(await foundBy({ target, state: 'revoked' })).toEqual([])
    const earlier = (await leasesOf(target)).filter(lease => String(lease['expiresAt']) < String(expiresAt))
    expect(await foundBy({ target, expiresBefore: String(expiresAt) })).toEqual(idsOf(earlier))
  })

  test('gives each lease once, page by page', async () => {
    const all = await foundBy({})
    const seen: string[] = []
    let continuation = ''
    do {
      const query = new URLSearchParams({ limit: '1', ...(continuation && { continuation }) })
      const { body } = await manage(`leases?${query}`)
      seen.push(...(body['leases'] as Document[]).map(({ id }) => String(id)))
      continuation = String(body['continuation'] ?? '')
    } while (continuation)
    expect(seen.toSorted()).toEqual(all.toSorted())
    expect((await manage('leases?continuation=none')).status).toBe(400)
    expect((await manage('leases?targets=orders-db')).status).toBe(400)
  })

  test('finds those that are stuck, and says why', async () => {
    const [{ id, audience }, other] = [await live(), await live()]
    const dueAt = new Date(Date.now() + 600_000).toISOString()
    const stuck = { state: 'revoking', cause: 'expired', attempts: 3, lastError: 'target_unavailable', dueAt }
    await stack.changeLease(id, stuck)
    await stack.changeLease(other.id, { state: 'revoking', cause: 'expired' })
    expect(await foundBy({ stuck: 'true', target: audience })).toEqual([id])
    expect(await foundBy({ stuck: 'true', target: other.audience })).toEqual([])
    expect((await manage(`leases/${id}`)).body['lease']).toMatchObject(stuck)
    expect((await revoke(id)).body).toMatchObject({ marked: true, lease: { cause: 'expired' } })
    expect(Date.parse(String((await stored(id))?.['dueAt']))).toBeLessThanOrEqual(Date.now())
  })
})

test('neither salt, settings nor what a password is made of is in any answer', async () => {
  const { id, audience } = await live()
  const lease = (await stored(id)) ?? {}
  const { host } = lease['settings'] as Document
  const filter = { target: audience }
  for (const { text } of [
    await manage(`leases/${id}`),
    await manage(`leases?target=${audience}`),
    await revokeMatching({ filter }, '?dryRun=true'),
    await revoke(id),
  ]) {
    expect(text).toContain(id)
    expect(text).not.toMatch(/"(salt|settings|password|meanings|keyVersion)"/)
    expect(text).not.toContain(`"${host}"`)
    expect(text).not.toContain(String(lease['salt']))
  }
})

describe('a lease that is stuck since its server is another by now', () => {
  const gone = (id: string, body: unknown) => manage(`leases/${id}/gone`, { method: 'POST', body })
  const reason = 'upgraded on 1 June, ticket 4711'
  const past = new Date(Date.now() - 60_000).toISOString()

  test('ends by an operator’s word that its account is gone, and the log tells whose and why', async () => {
    const { id } = await live()
    const account = 'cw_local_zzzzyyyyxxxxwwww'
    await stack.changeLease(id, { account, server: 'another', expiresAt: past, dueAt: past })
    await stack.gateway.runTimer('revoke-expired')
    expect(await stored(id)).toMatchObject({ state: 'revoking', lastError: 'server_changed' })
    const answer = await gone(id, { reason })
    expect(answer.status).toBe(202)
    expect(answer.body).toMatchObject({ lease: { id, state: 'revoking', attested: { reason } } })
    await stack.gateway.runTimer('revoke-expired')
    expect(await stored(id)).toMatchObject({ state: 'revoked', cause: 'attested', evidence: { absent: 'attested' } })
    const told = (await stack.records()).filter(({ leases }) => Array.isArray(leases) && leases.includes(id))
    expect(told.map(({ action, outcome }) => [action, outcome])).toEqual([
      ['attest', 'intended'],
      ['attest', 'done'],
    ])
    expect(told[0]).toMatchObject({ attested: { reason }, operator: { issuer: { kind: 'entra' } } })
  })

  test('and no other does, nor without a reason', async () => {
    const { id } = await live()
    expect((await gone(id, { reason })).status).toBe(409)
    expect((await gone(id, {})).status).toBe(400)
    expect((await gone('none', { reason })).status).toBe(404)
    expect(await stored(id)).toMatchObject({ state: 'active' })
  })
})

describe('a lease whose server cannot be asked', () => {
  const reason = 'decommissioned on 1 June, ticket 4711'
  const past = new Date(Date.now() - 60_000).toISOString()
  const gone = (id: string) => manage(`leases/${id}/gone`, { method: 'POST', body: { reason } })
  const run = () => stack.gateway.runTimer('revoke-expired')
  let door: Door
  const untrusted: Document = {}

  beforeAll(async () => {
    door = await openDoor(stack.postgresql.port)
    const directory = await mkdtemp(join(tmpdir(), 'causeway-authority-'))
    const { certificate } = await openCertificateAuthority(directory)
    Object.assign(untrusted, { tls: { ca: certificate } })
    await rm(directory, { recursive: true })
  })
  afterAll(() => door?.stop())

  /** A lease that was tried once, behind the door, with other settings. */
  async function stuck(state: Parameters<Door['set']>[0], changes: Document = {}): Promise<string> {
    const { id } = await live()
    const settings = (await stored(id))?.['settings'] as Document
    await door.set(state)
    const behind = { ...settings, host: 'localhost', port: door.port, ...changes }
    await stack.changeLease(id, { settings: behind, location: randomUUID(), expiresAt: past, dueAt: past })
    await run()
    expect(await stored(id)).toMatchObject({ state: 'revoking', attempts: 1 })
    return id
  }

  const login = { user: 'causeway_revoker', password: { vault: 'corp', secret: 'no-such-revoker' } }

  test.each<[string, Parameters<Door['set']>[0], Document, string]>([
    ['shows a certificate that we do not trust', 'open', untrusted, 'target_unavailable'],
    ['takes connections and says nothing', 'mute', {}, 'target_unavailable'],
    ['is there, and the secret of our login is not', 'open', { admin: login, revoker: login }, 'secret_not_found'],
  ])('is not for an operator to end where it %s', async (_, state, settings, lastError) => {
    const id = await stuck(state, settings)
    expect(await stored(id)).toMatchObject({ lastError, lastDetail: { answer: 'connects' } })
    expect(await gone(id)).toMatchObject({ status: 409, body: { detail: expect.stringContaining('still answers') } })
    expect((await stored(id))?.['attested']).toBe(undefined)
  })

  test('is not for an operator to end where nobody can tell whether it is there', async () => {
    // No connection may be made to that address: it fails on our own side.
    const id = await stuck('shut', { host: '255.255.255.255' })
    expect(await stored(id)).toMatchObject({ lastError: 'target_unavailable', lastDetail: { answer: 'unknown' } })
    const detail = expect.stringContaining('could not be told whether anything is at the address')
    expect(await gone(id)).toMatchObject({ status: 409, body: { detail } })
    expect((await stored(id))?.['attested']).toBe(undefined)
  })

  test('is for an operator to end where nothing takes connections, unless something does at the last asking', async () => {
    const id = await stuck('shut', untrusted)
    expect((await gone(id)).status).toBe(202)
    await door.set('open')
    await run()
    const lease = await stored(id)
    expect(lease).toMatchObject({ state: 'revoking', lastDetail: { answer: 'connects' } })
    expect(lease?.['attested']).toBe(undefined)
    expect((await gone(id)).status).toBe(409)
    await door.set('shut')
    await stack.changeLease(id, { dueAt: past })
    await run()
    expect((await gone(id)).status).toBe(202)
    await run()
    expect(await stored(id)).toMatchObject({ state: 'revoked', cause: 'attested' })
  })
})

describe('a lease that an operator revokes', () => {
  test('ends with its session at the next run of the timer, is not released again, and the log tells who and why', async () => {
    const { audience, issued, id } = await live()
    const session = await logIn(issued)
    const answer = await revoke(id)
    expect(answer.status).toBe(202)
    expect(answer.body).toMatchObject({
      marked: true,
      lease: { id, state: 'revoking', cause: 'operator' },
      refusedWithin: 15,
      next: expect.stringMatching(/timer/),
      warnings: [expect.stringMatching(/may ask again.*lockdown/)],
    })
    await stack.gateway.runTimer('revoke-expired')
    await expect(session.query('SELECT')).rejects.toThrow()
    await expect(logIn(issued)).rejects.toMatchObject({ code: '28P01' })
    expect(await stored(id)).toMatchObject({ state: 'revoked', cause: 'operator' })
    const again = await until(
      () => stack.issue({ audience }),
      ({ lease_id }) => lease_id !== id,
    )
    expect(again.credential['username']).not.toBe(issued.credential['username'])
    const told = (await stack.records()).filter(
      ({ kind, lease }) => kind === 'revocation' && (lease as Document)['id'] === id,
    )
    expect(told).toMatchObject([{ outcome: 'revoked', lease: { cause: 'operator', evidence: { sessionsEnded: 1 } } }])
    const changes = (await stack.records()).filter(({ leases }) => Array.isArray(leases) && leases.includes(id))
    expect(changes.map(({ outcome }) => outcome).toSorted()).toEqual(['done', 'intended'])
    expect(changes[0]).toMatchObject({ kind: 'admin', action: 'revoke', operator: { issuer: { kind: 'entra' } } })
  })

  test('that is on its way already stays as it is, without another record', async () => {
    const { id } = await live()
    await revoke(id)
    const [lease, records] = [await stored(id), (await stack.records()).length]
    const again = await revoke(id)
    expect({ status: again.status, body: again.body }).toMatchObject({ status: 202, body: { marked: false } })
    expect(await stored(id)).toEqual(lease)
    expect((await stack.records()).length).toBe(records)
    await stack.changeLease(id, { state: 'revoked' })
    expect((await revoke(id)).body).toMatchObject({ marked: false, next: expect.stringMatching(/has ended/) })
  })

  test('loses the sessions that its expiry would let finish', async () => {
    const { id } = await live()
    const finishing = { state: 'revoking', cause: 'expired', onExpiry: 'finish-transactions' }
    await stack.changeLease(id, finishing)
    expect((await revoke(id)).body).toMatchObject({ marked: true, lease: { cause: 'operator' } })
  })

  test('has to be there', async () => {
    for (const id of ['none', `${'0'.repeat(64)}.0`]) expect((await revoke(id)).status).toBe(404)
    expect((await manage('leases/none')).status).toBe(404)
  })
})

describe('a revocation by filter', () => {
  test('tells in a dry run how many and which, acts only on as many, and says what it did', async () => {
    const { audience: target } = await live()
    const second = await stack.issue({ audience: target, subject_token: await stack.podToken('payments/api 2') })
    const ids = idsOf(await leasesOf(target))
    const expected = ids.length
    const other = await live()
    const filter = { target, namespace: 'payments' }
    const dry = await revokeMatching({ filter }, '?dryRun=true')
    expect(dry.body).toMatchObject({
      dryRun: true,
      found: expected,
      more: false,
      warnings: [expect.stringMatching(/lockdown/)],
    })
    expect((dry.body['leases'] as Document[]).map(lease => lease['id']).toSorted()).toEqual(ids)
    expect((await revokeMatching({ filter })).status).toBe(428)
    expect((await revokeMatching({ filter, expected: expected - 1 })).status).toBe(409)
    expect(await foundBy({ target, state: 'active' })).toHaveLength(expected)
    const done = await revokeMatching({ filter, expected })
    expect({ status: done.status, body: done.body }).toMatchObject({
      status: 202,
      body: { marked: expected, notMarked: 0, refusedWithin: 15 },
    })
    expect(await foundBy({ target, state: 'revoking' })).toHaveLength(expected)
    expect(await stored(other.id)).toMatchObject({ state: 'active' })
    const records = (await stack.records()).filter(
      ({ leases }) => Array.isArray(leases) && leases.includes(second.lease_id),
    )
    expect(
      records
        .map(({ outcome, filter, marked }) => ({ outcome, filter, marked }))
        .toSorted((a, b) => (a.outcome < b.outcome ? -1 : 1)),
    ).toEqual([
      { outcome: 'done', filter, marked: expected },
      { outcome: 'intended', filter, marked: undefined },
    ])
  })

  test('of everything, by an unknown member, or without a body is refused', async () => {
    for (const body of [
      { filter: {} },
      { filter: { state: 'active' } },
      { filter: { target: 't' }, all: true },
      undefined,
    ]) {
      expect((await revokeMatching(body, '?dryRun=true')).status).toBe(400)
    }
    expect((await revokeMatching({ filter: { target: 't' } }, '?dryrun=true')).status).toBe(400)
  })
})

describe('a role for one namespace', () => {
  test('shows and ends the leases of its workloads, and no others', async () => {
    const [own, other] = [await live(), await live('billing/batch')]
    const mayRead = ['Leases.Read.payments', 'Leases.Revoke.quarantine']
    const owned = await foundBy({ target: own.audience }, mayRead)
    expect(owned).toContain(own.id)
    expect(owned.toSorted()).toEqual(idsOf(await leasesOf(own.audience)))
    expect(await foundBy({ target: other.audience }, mayRead)).toEqual([])
    expect((await manage(`leases/${other.id}`, { roles: mayRead })).status).toBe(404)
    expect((await revoke(own.id, mayRead)).status).toBe(404)
    const mayRevoke = ['Leases.Revoke.payments']
    expect((await revoke(other.id, mayRevoke)).status).toBe(404)
    const dry = await revokeMatching({ filter: { target: other.audience } }, '?dryRun=true', mayRevoke)
    expect(dry.body).toMatchObject({ found: 0 })
    expect((await revokeMatching({ filter: { target: other.audience }, expected: 1 }, '', mayRevoke)).status).toBe(409)
    expect(await stored(other.id)).toMatchObject({ state: 'active' })
    expect((await revoke(own.id, mayRevoke)).status).toBe(202)
  })
})
