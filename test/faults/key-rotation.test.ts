import { readFileSync, writeFileSync } from 'node:fs'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { z } from 'zod'
import type { Issued } from '../../shared/exchange-credential.ts'
import { allow, minute } from '../rules/facts.ts'
import { expectNothingForgotten, logsIn, outcomeOf } from './aftermath.ts'
import { type Deployment, startDeployment } from './deployment.ts'
import type { Instance } from './instance.ts'

const derivationKey = 'derivation-key'
/** Windows of half an hour: a rotation has its time within one. */
const anHour = allow('an-hour', { grant: { ttl: 'PT1H' } })

let deployment: Deployment
let old: Issued
/** Of the key, oldest first. */
let versions: string[]
let running: Instance

beforeAll(async () => {
  deployment = await startDeployment()
})
beforeEach(async () => {
  versions = [deployment.vault.set(derivationKey, `derivation key of ${deployment.clock.time}`).version]
  running = open()
  old = await running.ask('old')
  versions.push(deployment.vault.set(derivationKey, `rotated derivation key of ${deployment.clock.time}`).version)
})
afterEach(() => expectNothingForgotten(deployment, open()))
afterAll(() => deployment?.stop())

const open = () => deployment.open('gateway', anHour)
const passwordOf = ({ credential }: Issued) => credential.secret.reveal()

async function keyVersionOf({ lease }: Issued): Promise<string | undefined> {
  return (await deployment.leases()).find(({ id }) => id === lease)?.keyVersion
}

const keptSecrets = z.record(z.string(), z.array(z.looseObject({ version: z.string(), attributes: z.looseObject({}) })))

/** As an operator would. The stand-in has no route for it, so its own file says so, and it starts again. */
async function disable(version: string): Promise<void> {
  await deployment.restartVault(() => {
    const path = `${deployment.vaultDir}/secrets.json`
    const secrets = keptSecrets.parse(JSON.parse(readFileSync(path, 'utf8')))
    for (const one of secrets[derivationKey] ?? []) {
      if (one.version === version) one.attributes['enabled'] = false
    }
    writeFileSync(path, JSON.stringify(secrets))
  })
}

test('once the derivation key has a new version, a live lease still tells the password that was set under the old', async () => {
  expect(await keyVersionOf(old)).toBe(versions[0])
  for (const instance of [running, open()]) {
    const again = await instance.ask('old')
    expect(again.lease).toBe(old.lease)
    expect(passwordOf(again)).toBe(passwordOf(old))
  }
  await logsIn(old)
})

test('a new lease is made under the newest version, whichever instance makes it', async () => {
  // What was read from Key Vault serves a minute.
  deployment.clock.time += minute
  for (const [index, instance] of [running, open()].entries()) {
    const fresh = await instance.ask(`fresh ${index}`)
    expect(await keyVersionOf(fresh)).toBe(versions[1])
    await logsIn(fresh)
    expect(passwordOf(await open().ask(`fresh ${index}`))).toBe(passwordOf(fresh))
  }
})

test('an instance that has not read the new version yet makes leases that every other one can tell', async () => {
  const behind = await running.ask('behind')
  expect(await keyVersionOf(behind)).toBe(versions[0])
  const elsewhere = await open().ask('behind')
  expect(passwordOf(elsewhere)).toBe(passwordOf(behind))
  await logsIn(elsewhere)
})

test('a revocation needs no version of the key', async () => {
  await disable(versions[0] ?? '')
  await disable(versions[1] ?? '')
  const timer = open()
  deployment.clock.time += 60 * minute
  expect(await timer.revokeDue()).toMatchObject({ revoked: 1, failed: 0 })
  expect(deployment.vault.requests.get(derivationKey) ?? 0).toBe(0)
  expect(await deployment.accounts()).toEqual([])
})

test('disabling the old version makes its leases unavailable, and no password is told that is not theirs', async () => {
  await disable(versions[0] ?? '')
  const instance = open()
  expect(await outcomeOf(instance.ask('old'))).toBe('temporarily_unavailable secret_disabled 30')
  expect((await deployment.leases()).filter(({ id }) => id === old.lease)).toMatchObject([{ state: 'active' }])
  await logsIn(await instance.ask('another pod'))
  await logsIn(old)
})

test('where the old version is disabled, its pods get an account under the new one when the window is over', async () => {
  await disable(versions[0] ?? '')
  deployment.clock.time = old.refreshAt
  const next = await open().ask('old')
  expect(next.lease).not.toBe(old.lease)
  expect(await keyVersionOf(next)).toBe(versions[1])
  await logsIn(next)
})

test('disabling the newest version leaves live leases to the pods that have them under the old', async () => {
  await disable(versions[1] ?? '')
  const told = await open().ask('old')
  expect(passwordOf(told)).toBe(passwordOf(old))
})
