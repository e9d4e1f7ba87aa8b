import type { Container } from '@azure/cosmos'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { documentsActedForBy, issuersActedForBy } from '../../shared/workload/cosmos-acting-issuers.ts'
import { type StandIn, startStandIn } from '../conformance/cosmos/stand-in.ts'

let standIn: StandIn
let issuers: Container

beforeAll(async () => {
  standIn = await startStandIn({ containers: [{ id: 'issuers', partitionKey: '/id', defaultTtl: -1 }] })
  issuers = standIn.database('token-of-operator').container('issuers')
})
afterAll(() => standIn?.stop())

test('a hundred issuers for which one acts are told, and all of them are judged', async () => {
  const actors = [{ issuer: 'apim', subject: 'proxy' }]
  const ids = Array.from({ length: 101 }, (_, at) => `legacy-${at}`)
  await Promise.all(ids.map(id => issuers.items.create({ id, actors })))
  await issuers.items.create({ id: 'other', actors: [{ issuer: 'other-apim', subject: 'proxy' }] })
  expect(await issuersActedForBy(issuers)('apim')).toHaveLength(100)
  expect(await documentsActedForBy(issuers)('apim')).toHaveLength(101)
})
