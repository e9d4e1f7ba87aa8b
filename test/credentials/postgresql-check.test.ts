import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Fixture, openMinter, startFixture } from './postgresql-fixture.ts'

describe('a check of PostgreSQL', () => {
  let fixture: Fixture
  beforeAll(async () => {
    fixture = await startFixture()
  })
  afterAll(() => fixture?.stop())

  const staying = async () => {
    const minter = openMinter(fixture)
    const found = (await minter.check?.({}, AbortSignal.timeout(20_000))) ?? []
    await minter.close()
    return found.find(({ step }) => step === 'accounts-stay')
  }

  test('tells the other databases to which accounts may connect, and of many the first', async () => {
    expect(await staying()).toMatchObject({ ok: true, found: 'so' })
    const make = (names: readonly string[]) =>
      fixture.superuser(async client => {
        for (const name of names) await client.query(`CREATE DATABASE "${name}" TEMPLATE template0`)
      })
    await make(['b', 'a'])
    expect(await staying()).toMatchObject({ ok: false, found: 'it may connect to "a", "b"' })
    await make(['c', 'd', 'e', 'f', 'g'])
    expect(await staying()).toMatchObject({ found: 'it may connect to "a", "b", "c", "d", "e" and 2 more' })
  })
})
