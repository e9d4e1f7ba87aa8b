import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type StandIn, startStandIn } from '../cosmos/stand-in.ts'
import { onEachEngine } from './on-each-engine.ts'
import { type Exchanged, type OtherProcess, type Outcome, startOtherProcess } from './other-process.ts'

const rounds = 8
let standIn: StandIn

beforeAll(async () => {
  standIn = await startStandIn({ containers: [{ id: 'leases', partitionKey: '/slot', defaultTtl: -1 }] })
})
afterAll(() => standIn.stop())

function isDone(outcome: Outcome): outcome is { readonly done: unknown } {
  return 'done' in outcome
}

onEachEngine(trial => {
  let both: readonly [OtherProcess, OtherProcess]

  beforeAll(async () => {
    const { settings, secrets } = trial.server
    const opening = { kind: trial.engine.kind, settings, secrets: [...secrets], cosmos: standIn.cosmos.url }
    const start = () => startOtherProcess(opening, join(standIn.dir, 'ca.pem'))
    both = await Promise.all([start(), start()])
  })
  afterAll(async () => {
    for (const each of both ?? []) await each.stop()
  })

  describe('two processes', () => {
    it('that mint one account at once make one, with the password of the one that made it', async () => {
      for (let round = 0; round < rounds; round++) {
        const account = trial.account()
        const secrets = [trial.secret(), trial.secret()] as const
        const outcomes = await Promise.all(
          both.map((each, index) => each.carryOut({ mint: account, secret: secrets[index]?.reveal() ?? '' })),
        )
        expect(outcomes.filter(isDone)).toHaveLength(1)
        const [failed] = outcomes.filter(outcome => !isDone(outcome))
        expect(failed).toMatchObject({ failed: { name: 'ExchangeError', reason: 'internal' } })
        expect(trial.leaks(JSON.stringify(failed))).toEqual([])
        expect(await trial.server.accounts(account.name)).toBe(1)
        for (const [index, outcome] of outcomes.entries()) {
          const login = trial.ask(trial.minter.describe(account, secrets[index] ?? trial.secret()), 'SELECT 1')
          if (isDone(outcome)) expect(await login).toHaveLength(1)
          else expect(trial.server.isLockedOut(await trial.refusalOf(login))).toBe(true)
        }
      }
    })

    it('that revoke one account at once both see it gone', async () => {
      for (let round = 0; round < rounds; round++) {
        const account = trial.account()
        const session = await trial.server.login(await trial.mint(account))
        const outcomes = await Promise.all(both.map(each => each.carryOut({ revoke: account })))
        expect(outcomes).toMatchObject([{ done: { absent: true } }, { done: { absent: true } }])
        expect(await trial.server.accounts(account.name)).toBe(0)
        await expect(session.ask('SELECT 1')).rejects.toThrow()
      }
    })

    it('that mint and revoke one account at once leave none that nobody can revoke', async () => {
      for (let round = 0; round < rounds; round++) {
        const account = trial.account()
        const secret = trial.secret().reveal()
        const [minter, revoker] = both
        await Promise.all([minter.carryOut({ mint: account, secret }), revoker.carryOut({ revoke: account })])
        expect(await revoker.carryOut({ revoke: account })).toMatchObject({ done: { absent: true } })
        expect(await trial.server.accounts(account.name)).toBe(0)
      }
    })

    it('that exchange for one lease at once hand out one account, which one of them has made', async () => {
      for (let round = 0; round < rounds; round++) {
        const order = { exchange: randomUUID(), meanings: [trial.server.scopes.read] }
        const outcomes = await Promise.all(both.map(each => each.carryOut(order)))
        const told = outcomes.filter(isDone).map(({ done }) => done as Exchanged)
        expect(told.map(({ minted }) => minted).toSorted()).toEqual([false, true])
        const [first, second] = told
        expect(first).toMatchObject({ account: second?.account, password: second?.password })
        const listed: string[] = []
        const all = trial.minter.accounts(first?.account ?? '', new AbortController().signal)
        for await (const { name } of all) listed.push(name)
        expect(listed).toEqual([first?.account])
      }
    })
  })
})
