import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { Fault } from '../../infra/local/key-vault/faults.ts'
import { minute } from '../rules/facts.ts'
import { asksAgain, expectNothingForgotten, expectSettled, logsIn, outcomeOf, pass } from './aftermath.ts'
import { type Deployment, startDeployment } from './deployment.ts'
import type { Instance } from './instance.ts'

let deployment: Deployment
let timer: Instance

beforeAll(async () => {
  deployment = await startDeployment()
  timer = deployment.open('timer')
})
afterEach(async () => {
  deployment.vault.faults.clear()
  // What failed is remembered for as long as Key Vault said.
  deployment.clock.time += 2 * minute
  await expectNothingForgotten(deployment, timer)
})
afterAll(() => deployment?.stop())

const faults = {
  'says 429 with Retry-After': { status: 429, retryAfter: 7 },
  'says 429 without': { status: 429 },
  'says 503': { status: 503 },
  'does not answer in time': { delayMs: 3_500 },
} as const satisfies Readonly<Record<string, Fault>>

const throttled = 'temporarily_unavailable vault_throttled'
const unavailable = 'temporarily_unavailable vault_unavailable 2'

/** What Key Vault does, and what the caller is told. */
const lines: readonly (readonly [keyof typeof faults, string])[] = [
  ['says 429 with Retry-After', `${throttled} 7`],
  ['says 429 without', `${throttled} 5`],
  ['says 503', unavailable],
  ['does not answer in time', unavailable],
]

describe('a Key Vault that', () => {
  test.each(lines)('%s to the derivation key: nothing is written before it is known', async (fault, told) => {
    const pod = `derivation ${fault}`
    const instance = deployment.open()
    const before = (await deployment.leases()).length
    deployment.vault.faults.inject({ name: 'derivation-key', ...faults[fault] })
    expect(await outcomeOf(instance.ask(pod))).toBe(told)
    expect((await deployment.leases()).length).toBe(before)
    deployment.vault.faults.clear()

    await asksAgain(pod, deployment, instance)
    await expectSettled(deployment, timer)
  })

  test.each(lines)("%s to the admin's password: nothing is made, and the lease is given up", async (fault, told) => {
    const pod = `admin ${fault}`
    const instance = deployment.open()
    deployment.vault.faults.inject({ name: 'minter', ...faults[fault] })
    expect(await outcomeOf(instance.ask(pod))).toBe(told)
    const reserved = (await deployment.leases()).filter(({ state }) => state === 'reserved')
    expect(reserved).toMatchObject([{ vacant: true, generation: 0 }])
    expect(await deployment.accounts()).toEqual([])
    deployment.vault.faults.clear()

    expect((await asksAgain(pod, deployment, instance)).lease).toMatch(/\.0$/)
    await expectSettled(deployment, timer)
  })

  test.each(lines)('%s leaves live leases to those who hold them, and to instances that know the key', async fault => {
    const pod = `live ${fault}`
    const knowing = deployment.open()
    await knowing.ask(`${pod} neighbour`)
    const { credential } = await deployment.open().ask(pod)
    deployment.vault.faults.inject(faults[fault])
    const again = await knowing.ask(pod)
    expect(again.credential.secret.reveal()).toBe(credential.secret.reveal())
    await logsIn(again)
  })

  test.each(lines)(
    "%s to the revoker's password: what is due stays due, and is ended afterwards",
    async (fault, told) => {
      const { lease } = await deployment.open().ask(`revoker ${fault}`)
      const due = async () => (await deployment.leases()).find(({ id }) => id === lease)
      deployment.clock.time += 20 * minute
      deployment.vault.faults.inject({ name: 'revoker', ...faults[fault] })
      expect(await timer.revokeDue()).toMatchObject({ revoked: 0, failed: 1 })
      const lastError = told.split(' ')[1]
      expect(await due()).toMatchObject({ state: 'revoking', attempts: 1, lastError })
      deployment.vault.faults.clear()

      await pass(2, deployment, timer)
      expect(await due()).toMatchObject({ state: 'revoked', evidence: { absent: true } })
    },
  )
})

test('a throttled Key Vault is not asked again before the time that it named', async () => {
  const instance = deployment.open()
  const asked = () => deployment.vault.requests.get('derivation-key') ?? 0
  deployment.vault.faults.inject({ name: 'derivation-key', status: 429, retryAfter: 30 })
  const before = asked()
  for (let seconds = 0; seconds < 30; seconds++) {
    expect(await outcomeOf(instance.ask(`crowd ${seconds}`))).toBe(`${throttled} 30`)
    deployment.clock.time += 1_000
  }
  expect(asked()).toBe(before + 1)
  deployment.vault.faults.clear()
  await logsIn(await instance.ask('crowd'))
})
