import { describe, expect, test } from 'vitest'
import { type FittingEntry, fitTrace, withoutFacts } from '../../shared/decisions/record-trace.ts'
import type { RuleTrace } from '../../shared/rules/decision.ts'
import { factsOf, paymentsApi } from '../rules/facts.ts'
import { entryOf, traceOf } from './entry.ts'

const misses = (count: number) => Array.from({ length: count }, (_, index) => traceOf(`miss-${index}`, false))
const bytesOf = (trace: readonly RuleTrace[]) => Buffer.byteLength(JSON.stringify(trace))

type Fitting = FittingEntry & { readonly kind: 'exchange' }

function fitted(overrides: Parameters<typeof entryOf>[0], bytes: number): Fitting {
  const entry = fitTrace(entryOf(overrides), bytes)
  if (entry.kind !== 'exchange') throw new TypeError('expected the record of an exchange')
  return entry
}

test('a trace that fits to the byte is recorded whole', () => {
  const entry = entryOf({ trace: misses(40) })
  expect(fitTrace(entry, bytesOf(entry.trace))).toBe(entry)
})

describe('a trace that does not fit', () => {
  test('keeps rules that decided, then those about the workload, then others, and counts what it leaves out', () => {
    const [decided, about] = [traceOf('decided', true), traceOf('about-it', true)]
    const trace = [...misses(10), about, ...misses(10), decided]
    const rules = [{ id: 'decided', target: 'orders-db', version: 'v' }]
    const room = bytesOf([decided, about, ...misses(3)])
    expect(fitted({ trace, rules }, room)).toMatchObject({ trace: [decided, about, ...misses(3)], traceOmitted: 17 })
    expect(fitted({ trace, rules }, bytesOf([decided]))).toMatchObject({ trace: [decided], traceOmitted: 21 })
  })

  test('of a rule of the same id in another target is not taken for the one that decided', () => {
    const [mine, other] = [traceOf('a', true), { ...traceOf('a', true), target: '*' }]
    const rules = [{ id: 'a', target: '*', version: 'v' }]
    expect(fitted({ trace: [mine, other], rules }, bytesOf([other]))).toMatchObject({ trace: [other], traceOmitted: 1 })
  })

  test('shows the last tests of a rule, which decided it', () => {
    const tests = Array.from({ length: 64 }, (_, index) => ({ test: 'issuer', met: index === 63, expected: index }))
    const rule = { ...traceOf('a', true), tests }
    const { trace } = fitted({ trace: [rule, ...misses(100)] }, 4_000)
    expect(trace[0]?.tests).toEqual(tests.slice(-16))
  })

  test('shows first what kept a rule about the workload from matching, in the order in which it was tested', () => {
    const tests = Array.from({ length: 40 }, (_, index) => ({ test: 'claims', met: index > 2, expected: index }))
    const rule = { ...traceOf('a', true), matched: false, tests }
    const { trace } = fitted({ trace: [rule, ...misses(100)] }, 4_000)
    expect(trace[0]?.tests).toEqual([...tests.slice(0, 3), ...tests.slice(-13)])
  })

  test.each([0, 1, 500, 4_000, 12_288])('is never larger than %i bytes, in any script', bytes => {
    const trace = Array.from({ length: 300 }, (_, index) => ({
      ...traceOf(`rule-${index}`, index % 2 === 0),
      tests: [{ test: 'namespace', met: false, expected: '€'.repeat(index % 250) }],
    }))
    const cut = fitted({ trace }, bytes)
    expect(bytesOf(cut.trace)).toBeLessThanOrEqual(Math.max(bytes, '[]'.length))
    expect(cut.trace.length + (cut.traceOmitted ?? 0)).toBe(300)
  })
})

test('of many rules that denied, the record names the first 32 and counts the others', () => {
  const rules = Array.from({ length: 40 }, (_, index) => ({ id: `deny-${index}`, target: 'orders-db', version: 'v' }))
  expect(fitted({ rules }, 4_000)).toEqual({ ...entryOf({ rules: rules.slice(0, 32) }), rulesOmitted: 8 })
  const entry = entryOf({ rules: rules.slice(0, 32) })
  expect(fitTrace(entry, 4_000)).toBe(entry)
})

test('of many limits that matched, the record names the first 8 and counts the others', () => {
  const limits = Array.from({ length: 10 }, (_, index) => ({ id: `limit-${index}`, target: '*', version: 'v' }))
  expect(fitted({ limits }, 4_000)).toEqual({ ...entryOf({ limits: limits.slice(0, 8) }), limitsOmitted: 2 })
})

test('other records have no trace, and stay as they are', () => {
  const entry = { kind: 'revocation', decision: 'd', outcome: 'revoked', lease: { id: 'slot.0' } } as const
  expect(fitTrace(entry, 0)).toBe(entry)
})

describe('an entry without facts', () => {
  const { workload: _workload, ...facts } = factsOf()
  const entra = {
    tenant: 'tenant',
    objectId: 'object',
    application: 'app',
    principal: 'application',
    principalStated: true,
  } as const
  const workload = {
    ...paymentsApi,
    entra: { ...entra, roles: ['reader'], scopes: ['read'] },
    act: { subject: 'somebody' },
    claims: { team: 'payments' },
    claimsBeyondBounds: ['groups'],
  }

  test('still says who asked for what, and what came of it', () => {
    const entry = entryOf({ workload, actor: workload, facts, trace: misses(3) })
    const who = { ...paymentsApi, issuer: { ...paymentsApi.issuer, labels: {} }, entra: { ...entra, roles: [] } }
    const expected = entryOf({ workload: who, actor: who, trace: misses(3) })
    expect(withoutFacts(entry)).toEqual({ ...expected, factsOmitted: true })
  })

  test('names the first eight rules that denied and counts the others', () => {
    const rules = Array.from({ length: 40 }, (_, index) => ({ id: `deny-${index}`, target: 'orders-db', version: 'v' }))
    expect(withoutFacts(entryOf({ rules }))).toMatchObject({ rules: rules.slice(0, 8), rulesOmitted: 32 })
    expect(withoutFacts(entryOf({ rules: rules.slice(0, 8) }))).not.toHaveProperty('rulesOmitted')
  })

  test('is that of a failure too', () => {
    expect(withoutFacts(entryOf({ outcome: 'failed', facts }))).toMatchObject({ outcome: 'failed', factsOmitted: true })
  })

  test('is none that allows, and none of another kind: these stay as they are', () => {
    const allowed = entryOf({ outcome: 'allowed', facts })
    const revoked = { kind: 'revocation', decision: 'd', outcome: 'revoked', lease: { id: 'slot.0' } } as const
    for (const entry of [allowed, revoked]) expect(withoutFacts(entry)).toBe(entry)
  })
})
