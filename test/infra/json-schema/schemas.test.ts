import { readFileSync } from 'node:fs'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { describe, expect, test } from 'vitest'
import { schemaFiles } from '../../../infra/json-schema/schemas.ts'
import { allow, deny } from '../../rules/facts.ts'

const folder = new URL('../../../infra/json-schema/', import.meta.url)

function validatorOf(name: string) {
  const ajv = new Ajv2020({ strict: true, allowUnionTypes: true, validateFormats: false })
  return ajv.compile(JSON.parse(readFileSync(new URL(name, folder), 'utf8')))
}

test.each(schemaFiles())('the committed $name is what `npm run schema` writes', ({ name, text }) => {
  expect(readFileSync(new URL(name, folder), 'utf8')).toBe(text)
})

describe('an editor that checks by the schema of rules', () => {
  const isValid = validatorOf('rule.schema.json')

  test.each([
    [
      'an allow with every condition',
      allow('a', { conditions: everyCondition(), grant: { ttl: 'PT5M', outlive: true } }),
    ],
    ['a deny', deny('d')],
    ['a limit for every target', { ...deny('l', { target: '*' }), effect: 'limit', limit: { ttl: 'PT5M' } }],
  ])('accepts %s', (_, rule) => {
    expect(isValid(rule), JSON.stringify(isValid.errors)).toBe(true)
  })

  test.each([
    ['a misspelt member', allow('a', { condition: {} })],
    ['a misspelt member of a condition', allow('a', { conditions: { network: { on: ['10.0.0.0/8'] } } })],
    ['an unknown weekday', allow('a', { conditions: { time: [{ days: ['sunday'], timeZone: 'UTC' }] } })],
    ['a selector without an issuer', allow('a', { workloads: [{ namespace: 'payments' }] })],
    ['an allow for every target', allow('a', { target: '*' })],
    ['a limit for one target', { ...deny('l'), effect: 'limit', limit: { ttl: 'PT5M' } }],
  ])('refuses %s', (_, rule) => {
    expect(isValid(rule)).toBe(false)
  })
})

test('an editor that checks by the schema of calendars tells days from times', () => {
  const isValid = validatorOf('calendar.schema.json')
  expect(isValid({ schema: 1, id: 'holidays', days: ['2026-12-25'] })).toBe(true)
  expect(isValid({ schema: 1, id: 'holidays', days: ['2026-12-25T00:00:00Z'] })).toBe(false)
})

function everyCondition() {
  return {
    time: [{ days: ['mon'], from: '07:00', to: '19:00', timeZone: 'Europe/Berlin', notOn: ['holidays'] }],
    network: { in: ['10.0.0.0/8', '2001:db8::/32'], notIn: ['10.1.2.3'], provenance: ['direct'] },
    geography: { clientCountry: ['DE'], clusterRegion: ['westeurope'] },
    posture: [{ of: 'cluster', signal: 'defender', require: { '/unhealthyHigh': { max: 0 } }, maxAge: 'PT1H' }],
    claims: { '/environment': ['prod'] },
    expression: "workload.pod.name.startsWith('api-')",
  }
}
