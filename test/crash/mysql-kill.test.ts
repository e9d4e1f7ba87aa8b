import { setTimeout as pause } from 'node:timers/promises'
import { createConnection } from 'mysql2/promise'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Lease } from '../../shared/leases/lease.ts'
import { absenceCountsFrom } from '../../shared/leases/lease-states.ts'
import { type Fixture, startFixture, targetSettings } from '../credentials/mysql-fixture.ts'
import { missingServer } from '../credentials/mysql-server.ts'
import { lasting } from '../running-stack.ts'
import { type CrashStack, type NewPod, startCrashStack } from './crash-stack.ts'
import { type MysqlProxy, startMysqlProxy } from './mysql-proxy.ts'
import { startObservedGateway } from './observed-gateway.ts'
import { mysqlPoints, nameOf, type Point } from './steps.ts'

const audience = 'orders-mariadb'
/** How long one minter has its reservation, in milliseconds: what the design says. */
const mintingTime = 10_000

const missing = missingServer()

describe.skipIf(missing !== undefined)(missing ? `MariaDB (skipped: ${missing})` : 'MariaDB', () => {
  let stack: CrashStack
  let fixture: Fixture
  let proxy: MysqlProxy

  beforeAll(async () => {
    ;[stack, fixture] = await Promise.all([startCrashStack(), startFixture()])
    const server = { port: fixture.server.port, authority: fixture.authority }
    proxy = await startMysqlProxy({ server, certificate: stack.certificate })
    for (const [name, { text }] of fixture.secrets) {
      stack.note(text)
      stack.vault.set(`mysql-${name}`, text)
    }
    const named = (user: string) => ({ user, password: { vault: 'corp', secret: `mysql-${user}` } })
    const at = { port: proxy.port, tls: { ca: stack.authority.certificate } }
    const settings = { ...targetSettings(fixture), ...at, admin: named('minter'), revoker: named('revoker') }
    const read = { grants: [{ privileges: ['SELECT'], on: 'orders.items' }] }
    const changes = { provider: 'mysql', settings, scopes: { read }, ...lasting }
    await stack.addTarget({ id: audience, like: 'orders-db', changes, scopes: ['read'] })
  }, 60_000)
  afterAll(async () => {
    await proxy?.stop()
    await Promise.all([stack?.stop(), fixture?.stop()])
  })

  /** A process that comes to the point, and dies there. */
  async function killAt(point: Point): Promise<NewPod> {
    for (let attempt = 0; attempt < 5; attempt++) {
      const victim = await startObservedGateway(stack)
      const pod = await stack.newPod(audience)
      proxy.watch(victim.gate)
      const killed = victim.killAt(point).then(() => true)
      const wasKilled = await Promise.race([killed, victim.ask(pod).then(() => pause(1_000, false))])
      proxy.watch(undefined)
      await victim.stop()
      if (wasKilled) return pod
    }
    throw new Error(`nobody came ${nameOf(point)}`)
  }

  async function accounts(): Promise<readonly string[]> {
    const query = "SELECT User AS name FROM mysql.global_priv WHERE User LIKE 'cw\\_%' ORDER BY User"
    const rows = await fixture.superuser(async root => (await root.query(query))[0] as { name: string }[])
    return rows.map(({ name }) => name)
  }

  async function isUsable({ account: user, ...lease }: Lease): Promise<boolean> {
    const password = stack.passwordOf({ account: user, ...lease })
    const to = { host: 'localhost', port: fixture.server.port, ssl: { ca: fixture.authority } }
    const session = await createConnection({ ...to, user, password }).catch(() => undefined)
    session?.destroy()
    return session !== undefined
  }

  /** One that failed is tried again after a minute. */
  async function runTimerUntilDone(pods: readonly NewPod[]): Promise<readonly Lease[]> {
    for (let run = 0; run < 400; run++) {
      await stack.endDue()
      const leases = await stack.leasesOf(pods)
      if (leases.every(({ state }) => state === 'active' || state === 'revoked')) return leases
      await pause(500)
    }
    throw new Error('some do not end')
  }

  test('a gateway that is killed while it makes an account leaves none that works without an active lease, and the same requests succeed elsewhere within mintUntil', {
    timeout: 300_000,
  }, async () => {
    const pods: NewPod[] = []
    for (const point of mysqlPoints) pods.push(await killAt(point))
    const latest = Date.now() + mintingTime
    const answers = await Promise.all(pods.map(pod => stack.askUntilIssued(pod, latest)))
    for (const answer of answers) expect(answer?.text).toContain('"access_token"')

    const leases = await stack.leasesOf(pods)
    await pause(Math.max(...leases.map(absenceCountsFrom)) - Date.now() + 1)
    const after = await runTimerUntilDone(pods)
    expect(after.map(({ state }) => state).toSorted()).toEqual([
      ...pods.map(() => 'active'),
      ...pods.map(() => 'revoked'),
    ])
    const active = after.filter(({ state }) => state === 'active')
    expect(await accounts()).toEqual(active.map(({ account }) => account).toSorted())
    for (const lease of after) expect(await isUsable(lease), lease.state).toBe(lease.state === 'active')
    expect(await stack.leaks()).toEqual([])
  })
})
