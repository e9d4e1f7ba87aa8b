import { expect, test } from 'vitest'
import { factsOf, paymentsApi } from '../facts.ts'
import { type Conditions, problemsOf, type Result, resultOf, testsOf } from './judged.ts'

test.each<[string | undefined, Result]>([
  ['DE', 'met'],
  ['NL', 'met'],
  ['FR', 'not met'],
  [undefined, 'cannot be evaluated'],
])('a client in %s, where DE and NL are accepted: %s', (country, result) => {
  const client = { provenance: 'direct', address: '192.0.2.7', ...(country && { country }) } as const
  expect(resultOf({ geography: { clientCountry: ['DE', 'NL'] } }, factsOf({ client }))).toBe(result)
})

test.each<[string | undefined, Result]>([
  ['westeurope', 'met'],
  ['westeurope2', 'not met'],
  ['West Europe', 'not met'],
  [undefined, 'cannot be evaluated'],
])('a cluster in %s, where westeurope is accepted: %s', (region, result) => {
  const workload = { ...paymentsApi, issuer: { ...paymentsApi.issuer, ...(region && { region }) } }
  expect(resultOf({ geography: { clusterRegion: ['westeurope'] } }, factsOf({ workload }))).toBe(result)
})

test('country and region are two tests, and each shows what it found', () => {
  const client = { provenance: 'direct', address: '192.0.2.7', country: 'FR' } as const
  const geography = { clientCountry: ['DE'], clusterRegion: ['westeurope'] }
  expect(testsOf({ geography }, factsOf({ client }))).toEqual([
    { test: 'clientCountry', met: false, expected: ['DE'], found: 'FR' },
    { test: 'clusterRegion', met: false, expected: ['westeurope'], unevaluable: 'it is not known' },
  ])
})

test.each<[string, Conditions, string]>([
  ['a country in words', { clientCountry: ['Germany'] }, 'geography.clientCountry[0]: expected a country code'],
  ['a country in small letters', { clientCountry: ['de'] }, 'geography.clientCountry[0]: expected a country code'],
  ['no country', { clientCountry: [] }, 'geography.clientCountry: Too small'],
  ['nothing', {}, 'geography: expected "clientCountry" or "clusterRegion"'],
])('a rule is refused for %s, by path and expectation', (_, geography, problem) => {
  expect(problemsOf({ geography })).toEqual([expect.stringContaining(problem)])
})
