import type { ExchangeEntry } from '../../shared/decisions/record.ts'
import type { RuleTrace } from '../../shared/rules/decision.ts'
import { paymentsApi } from '../rules/facts.ts'

/** The record of an exchange, as the route hands it over. */
export function entryOf(overrides: Partial<ExchangeEntry> = {}): ExchangeEntry {
  return {
    kind: 'exchange',
    decision: 'decision-1',
    outcome: 'denied',
    code: 'invalid_target',
    reason: 'no_rule',
    asked: { target: 'orders-db', scopes: ['read'] },
    workload: paymentsApi,
    client: { provenance: 'unknown' },
    rules: [],
    trace: [],
    durationMs: 3,
    ...overrides,
  }
}

/** How a rule was judged that is about the workload, or not. */
export function traceOf(rule: string, selected: boolean): RuleTrace {
  const tests = [{ test: 'issuer', met: selected, expected: '*', found: 'aks-prod-weu' }]
  const how = { effect: 'allow', state: 'enforced', selected, matched: selected } as const
  return { rule, version: 'v', target: 'orders-db', tests, ...how }
}
