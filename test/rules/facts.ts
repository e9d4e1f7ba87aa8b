import type { Calendars } from '../../shared/rules/calendar.ts'
import type { Facts } from '../../shared/rules/facts.ts'
import { compileRules, type Ruleset } from '../../shared/rules/ruleset.ts'
import type { Workload } from '../../shared/workload/workload.ts'

/** A pod of `payments/api` on a production cluster. */
export const paymentsApi: Workload = {
  issuer: { id: 'aks-prod-weu', kind: 'aks', labels: { environment: 'prod', region: 'weu' } },
  subject: 'system:serviceaccount:payments:api',
  namespace: 'payments',
  serviceAccount: { name: 'api', uid: 'uid-of-api' },
  pod: { name: 'api-7d9c6b5f4-x2x7k', uid: 'uid-of-pod' },
  node: { name: 'aks-pool1-vmss000000', uid: 'uid-of-node' },
  claims: {},
  token: { keyId: 'key-1', issuedAt: 1_800_000_000, expiresAt: 1_800_003_600 },
}

export const noon = Date.parse('2026-06-01T12:00:00Z')
export const minute = 60_000

/** `payments/api` asks for `read` of `orders-db`, at noon. */
export function factsOf(overrides: Partial<Facts> = {}): Facts {
  return {
    workload: paymentsApi,
    target: {
      id: 'orders-db',
      labels: { environment: 'prod' },
      scopes: ['read', 'write', 'admin'],
      defaultTtl: 15 * minute,
      maxTtl: 60 * minute,
    },
    scopes: ['read'],
    client: { provenance: 'unknown' },
    time: noon,
    ...overrides,
  }
}

/** A rule as it is stored. */
export type RuleDocument = Readonly<Record<string, unknown>> & { readonly id: string }

/** A rule of `orders-db` about every workload. */
export function deny(id: string, overrides: Readonly<Record<string, unknown>> = {}): RuleDocument {
  return { schema: 1, id, target: 'orders-db', effect: 'deny', workloads: [{ issuer: '*' }], ...overrides }
}

/** A rule that gives `read` of `orders-db` to every workload. */
export function allow(id: string, overrides: Readonly<Record<string, unknown>> = {}): RuleDocument {
  return { ...deny(id), effect: 'allow', scopes: ['read'], ...overrides }
}

/** Compiled, each at version `v-<id>`: guardrails are those for target `*`. */
export function rulesetOf(...documents: readonly RuleDocument[]): Ruleset {
  return rulesetWith(new Map(), ...documents)
}

/** The same, beside calendars. */
export function rulesetWith(calendars: Calendars, ...documents: readonly RuleDocument[]): Ruleset {
  const stored = documents.map(content => ({ content, version: `v-${content.id}` }))
  const isGuardrail = ({ content }: { content: RuleDocument }) => content['target'] === '*'
  const [own, guardrails] = [stored.filter(one => !isGuardrail(one)), stored.filter(isGuardrail)].map(compileRules)
  if (!own || !guardrails) throw new TypeError('expected two partitions')
  return { own, guardrails, calendars }
}

/** A workload that no rule of {@link someoneElse} spares. */
export const someoneElse = { workloads: [{ issuer: '*', namespace: 'billing' }] }
