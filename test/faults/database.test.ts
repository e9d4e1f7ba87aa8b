import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { demoDatabase } from '../../infra/local/postgresql/demo-database.ts'
import { scramVerifier } from '../../shared/credentials/scram-verifier.ts'
import { password } from '../credentials/postgresql-fixture.ts'
import { minute } from '../rules/facts.ts'
import { asksAgain, expectNothingForgotten, expectSettled, logsIn, outcomeOf, pass } from './aftermath.ts'
import { type Deployment, startDeployment } from './deployment.ts'
import type { Instance } from './instance.ts'

let deployment: Deployment
let instance: Instance

beforeAll(async () => {
  deployment = await startDeployment()
  instance = deployment.open()
})
afterEach(async () => {
  await deployment.door.set('open')
  await expectNothingForgotten(deployment, instance)
})
afterAll(() => deployment?.stop())

const down = 'temporarily_unavailable target_unavailable 2'
const refuses = 'temporarily_unavailable target_refused 2'

/** Breaks the database, and returns what mends it. */
type Break = () => Promise<() => Promise<unknown>>

const breaks: Readonly<Record<string, Break>> = {
  refuses: async () => {
    await deployment.door.set('shut')
    return () => deployment.door.set('open')
  },
  'never answers': async () => {
    await deployment.door.set('mute')
    return () => deployment.door.set('open')
  },
  'has its list of accounts locked': lockAccounts,
  'takes no more connections': async () => {
    await limitConnections(0)
    return () => limitConnections(40)
  },
  'has another password for its admins': changePasswords,
}

/** Nobody can make or drop an account; logging in goes on. */
async function lockAccounts(): Promise<() => Promise<unknown>> {
  const locked = Promise.withResolvers<void>()
  const mended = Promise.withResolvers<void>()
  const over = deployment.database.superuser(async client => {
    await client.query('BEGIN; LOCK TABLE pg_authid IN SHARE MODE')
    locked.resolve()
    await mended.promise
  })
  await locked.promise
  return () => {
    mended.resolve()
    return over
  }
}

/** Connections that are open already do not count against a new limit, and are ended. */
async function limitConnections(limit: number): Promise<void> {
  await deployment.database.superuser(async client => {
    for (const admin of [demoDatabase.minter, demoDatabase.revoker]) {
      await client.query(`ALTER ROLE ${admin} CONNECTION LIMIT ${limit}`)
    }
  })
  await endSessions()
}

async function endSessions(): Promise<void> {
  await deployment.database.superuser(client =>
    client.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'causeway'"),
  )
}

/** As a rotation that Key Vault learns of later: there the mended passwords are new versions. */
async function changePasswords(): Promise<() => Promise<unknown>> {
  const changed = { minter: password(), revoker: password() }
  await deployment.database.superuser(async client => {
    for (const [name, text] of Object.entries(changed)) {
      await client.query(`ALTER ROLE causeway_${name} PASSWORD ${client.escapeLiteral(await scramVerifier(text))}`)
    }
  })
  await endSessions()
  return async () => {
    for (const [name, text] of Object.entries(changed)) deployment.vault.set(name, text)
    // What was read from Key Vault serves a minute.
    deployment.clock.time += minute
  }
}

describe('a mint', () => {
  test.each([
    ['refuses', down],
    ['never answers', down],
    ['has its list of accounts locked', refuses],
    ['takes no more connections', 'slow_down target_full 2'],
    ['has another password for its admins', down],
  ])(
    'on a database that %s: nothing is made, and the same request succeeds once it is mended',
    async (problem, told) => {
      const pod = `mint ${problem}`
      const mend = await breaks[problem]?.()
      expect(await outcomeOf(instance.ask(pod))).toBe(told)
      const [lease] = (await deployment.leases()).filter(({ state }) => state === 'reserved')
      expect(lease).toMatchObject({ vacant: true, generation: 0 })
      expect(await deployment.accounts()).toEqual([])
      await mend?.()

      await asksAgain(pod, deployment, instance)
      await expectSettled(deployment, instance)
    },
  )

  test('that is cut off while the database is at it leaves nothing that works, and another account takes its place', async () => {
    const mend = await lockAccounts()
    const exchange = outcomeOf(instance.ask('cut off'))
    await expect.poll(waitsForLock, { timeout: 30_000 }).toBe(true)
    await deployment.door.set('shut')
    expect(await exchange).toBe(down)
    await deployment.door.set('open')
    await mend()

    expect((await deployment.leases()).filter(({ cause }) => cause === 'failed').length).toBe(1)
    const again = await asksAgain('cut off', deployment, instance)
    expect(again.lease).toMatch(/\.1$/)
    await expectSettled(deployment, instance)
  })

  test('that has no time left is given up while it waits, and leaves nothing that works', async () => {
    const mend = await lockAccounts()
    const deadline = new AbortController()
    const exchange = outcomeOf(instance.ask('late', { signal: deadline.signal }))
    await expect.poll(waitsForLock, { timeout: 30_000 }).toBe(true)
    deadline.abort()
    expect(await exchange).toBe(down)
    await mend()
    await asksAgain('late', deployment, instance)
    await expectSettled(deployment, instance)
  })
})

async function waitsForLock(): Promise<boolean> {
  const query = "SELECT FROM pg_stat_activity WHERE application_name = 'causeway' AND wait_event_type = 'Lock'"
  return ((await deployment.database.superuser(client => client.query(query))).rowCount ?? 0) > 0
}

test('a database that is down takes no live lease from anybody', async () => {
  const { credential } = await instance.ask('live')
  await deployment.door.set('shut')
  const another = deployment.open('another')
  const again = await another.ask('live')
  expect(again.credential.secret.reveal()).toBe(credential.secret.reveal())
  await deployment.door.set('open')
  await logsIn(again)
})

describe('a revocation', () => {
  test.each(Object.keys(breaks))('on a database that %s is repeated until the account is gone', async problem => {
    const pod = `revocation ${problem}`
    const { lease } = await instance.ask(pod)
    const stuck = async () => (await deployment.leases()).find(({ id }) => id === lease)
    const mend = await breaks[problem]?.()
    deployment.clock.time += 20 * minute
    expect(await instance.revokeDue()).toMatchObject({ revoked: 0, failed: 1 })
    const lastError = problem.includes('locked') ? 'target_refused' : 'target_unavailable'
    expect(await stuck()).toMatchObject({ state: 'revoking', cause: 'expired', attempts: 1, lastError })
    await mend?.()

    await pass(2, deployment, instance)
    expect(await stuck()).toMatchObject({ state: 'revoked', evidence: { absent: true } })
    await expectSettled(deployment, instance)
  })

  test('is tried again ever less often while its database is down, and done an hour later', async () => {
    const { lease, credential } = await instance.ask('an hour')
    const account = credential.reference['account'] ?? ''
    const stuck = async () => (await deployment.leases()).find(({ id }) => id === lease)
    await deployment.door.set('shut')
    await instance.release('an hour', lease ?? '')
    const attempts: number[] = []
    for (let minutes = 0; minutes < 60; minutes++) {
      await pass(1, deployment, instance)
      attempts.push((await stuck())?.attempts ?? 0)
    }
    // 15 s, 30 s, 1 min and so on to 15 min, looked at once a minute.
    expect([0, 1, 3, 7, 15, 30, 45].map(at => attempts[at])).toEqual([1, 2, 4, 5, 6, 7, 8])
    expect(attempts.at(-1)).toBeLessThan(10)
    expect(await stuck()).toMatchObject({ state: 'revoking', cause: 'released', lastError: 'target_unavailable' })
    expect(await deployment.accounts()).toEqual([account])

    await deployment.door.set('open')
    await pass(15, deployment, instance)
    expect(await stuck()).toMatchObject({ state: 'revoked', evidence: { absent: true } })
    expect(await deployment.accounts()).toEqual([])
    const records = (await deployment.records()).filter(
      ({ lease: of, outcome }) => of?.id === lease && outcome === 'revoked',
    )
    expect(records.map(record => record.lease?.cause)).toEqual(['released'])
  })

  test("of one target is not kept waiting by another target's dead database", async () => {
    for (let pod = 0; pod < 20; pod++) await instance.ask(`dead ${pod}`)
    const { lease } = await instance.ask('alive', { target: 'invoices-db' })
    await deployment.door.set('mute')
    deployment.clock.time += 20 * minute
    const run = instance.revokeDue()
    await expect
      .poll(async () => (await deployment.leases()).find(({ id }) => id === lease)?.state, { timeout: 3_000 })
      .toBe('revoked')
    await deployment.door.set('shut')
    await run
    await deployment.door.set('open')
  })
})
