import { expect } from 'vitest'
import { ExchangeError } from '../../shared/errors.ts'
import type { Issued } from '../../shared/exchange-credential.ts'
import { login } from '../credentials/postgresql-fixture.ts'
import { minute } from '../rules/facts.ts'
import type { Deployment } from './deployment.ts'
import type { Instance } from './instance.ts'

/** What an exchange came to, on one line: `issued`, or code, reason and `Retry-After`. */
export async function outcomeOf(exchange: Promise<Issued>): Promise<string> {
  try {
    await exchange
    return 'issued'
  } catch (error) {
    if (!(error instanceof ExchangeError)) throw error
    return `${error.code} ${error.reason} ${error.retryAfter}`
  }
}

/** Lets minutes pass, with the timer at work in each. */
export async function pass(minutes: number, { clock }: Deployment, instance: Instance): Promise<void> {
  for (let passed = 0; passed < minutes; passed++) {
    clock.time += minute
    await instance.revokeDue()
  }
}

/** How often a pod asks before it gives up. */
const patience = 12

/**
 * The same request again, at each time that makes sense by what it is told, until it succeeds: the credential logs in.
 * The timer is at work meanwhile.
 */
export async function asksAgain(pod: string, deployment: Deployment, instance: Instance): Promise<Issued> {
  for (let turn = 1; ; turn++) {
    try {
      const issued = await instance.ask(pod)
      await logsIn(issued)
      return issued
    } catch (error) {
      if (!(error instanceof ExchangeError) || turn === patience) throw error
      expect(error.retryAfter, error.reason).toBeGreaterThan(0)
      deployment.clock.time += (error.retryAfter ?? 0) * 1000
      await instance.revokeDue()
    }
  }
}

export async function logsIn({ credential }: Issued): Promise<void> {
  expect((await login(credential, client => client.query('SELECT 1 FROM orders'))).rowCount).toBe(3)
}

/** Once things have settled, the accounts are exactly those of active leases, and everything released is on record. */
export async function expectSettled(deployment: Deployment, instance: Instance): Promise<void> {
  await pass(3, deployment, instance)
  const leases = await deployment.leases()
  const active = leases.filter(({ state }) => state === 'active')
  expect((await deployment.accounts()).toSorted()).toEqual(active.map(({ account }) => account).toSorted())
  expect(new Set(active.map(({ slot }) => slot)).size).toBe(active.length)
  const unsettled = leases.filter(({ state, vacant }) => !['active', 'revoked'].includes(state) && !vacant)
  expect(unsettled).toEqual([])
  await expectRecorded(deployment)
}

/** Every credential that was let go of has its record, which names it. */
async function expectRecorded({ issued, ...deployment }: Deployment): Promise<void> {
  const records = await deployment.records()
  const permitted = new Map(
    records.flatMap(({ outcome, decision, credential }) => (outcome === 'allowed' ? [[decision, credential]] : [])),
  )
  for (const { decision, lease, credential } of issued) {
    expect(permitted.get(decision)).toEqual({ lease, account: credential.reference['account'] })
  }
}

/** When all leases have expired, every one is revoked, with evidence and a record of it, and no account is left. */
export async function expectNothingForgotten(deployment: Deployment, instance: Instance): Promise<void> {
  deployment.clock.time += 60 * minute
  await pass(3, deployment, instance)
  expect(await deployment.accounts()).toEqual([])
  const records = await deployment.records()
  const recorded = records.flatMap(({ outcome, lease }) => (outcome === 'revoked' && lease ? [lease] : []))
  for (const lease of await deployment.leases()) {
    const absent = lease.vacant ? 'never-made' : true
    expect(lease).toMatchObject({ state: 'revoked', evidence: { absent } })
    expect(recorded).toContainEqual(expect.objectContaining({ id: lease.id, evidence: lease.evidence }))
  }
}
