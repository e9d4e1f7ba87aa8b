import fc from 'fast-check'
import { problemText } from '../../shared/document.ts'
import { type Calendar, type Calendars, parseCalendar } from '../../shared/rules/calendar.ts'
import type { Facts } from '../../shared/rules/facts.ts'
import type { RuleDocument } from '../rules/facts.ts'
import { conditions, selector, some } from './rule-condition-arbitraries.ts'
import { facts, instant, sparse, word } from './rule-facts-arbitraries.ts'

const scopes = some('read', 'read', 'write', 'write', 'admin')
const isoInstant = instant.map(time => new Date(time).toISOString())

const base = fc
  .tuple(
    fc.record({
      schema: fc.constant(1),
      state: word('enforced', 'enforced', 'enforced', 'enforced', 'report-only', 'draft', 'disabled'),
      priority: word(50, 100, 100, 200),
      workloads: fc.array(selector, { minLength: 1, maxLength: 2 }),
      conditions,
    }),
    sparse({ notBefore: isoInstant, expiresAt: isoInstant, whenDenied: word('ask the owner', 'ask us') }, 0.15),
  )
  .map(([required, others]) => ({ ...required, ...sometimeInForce(others) }))

/** A rule that is never in force is not accepted. */
function sometimeInForce<Validity extends { notBefore?: string; expiresAt?: string }>(validity: Validity) {
  const { notBefore, ...others } = validity
  return notBefore !== undefined && notBefore < (validity.expiresAt ?? '9') ? validity : others
}

const grant = sparse(
  {
    ttl: word('PT2M', 'PT20M', 'PT3H'),
    share: word('pod', 'workload', 'workload'),
    outlive: fc.boolean(),
    quota: word({ max: 1 }, { max: 3 }),
  },
  0.4,
)
const crossing = word(true, true, true, false)

const allow = fc
  .tuple(base, fc.record({ scopes, grant, crossEnvironment: crossing }))
  .map(([one, more]) => ({ ...one, target: 'orders-db', effect: 'allow', ...more }))
const deny = fc
  .tuple(base, word('orders-db', '*'), sparse({ scopes }, 0.5))
  .map(([one, target, more]) => ({ ...one, target, effect: 'deny', ...more }))
const limit = fc
  .tuple(base, word('PT1M', 'PT10M', 'PT2H'), sparse({ scopes }, 0.2))
  .map(([one, ttl, more]) => ({ ...one, target: '*', effect: 'limit', ...more, limit: { ttl } }))

const named = (rule: fc.Arbitrary<object>): fc.Arbitrary<RuleDocument> =>
  fc
    .tuple(rule, word('a', 'b', 'c', 'd'), fc.nat(999))
    .map(([one, letter, number]) => ({ ...one, id: `${letter}-${number}` }))

/** Rules of `orders-db` and guardrails, all of them acceptable: what gives access, what takes it, and both. */
export const anyAllow = named(allow)
export const anyDeny = named(deny)
export const anyLimit = named(limit)
export const anyRestriction = named(fc.oneof(deny, limit))
export const anyRule = fc.oneof(
  { weight: 12, arbitrary: anyAllow },
  { weight: 1, arbitrary: anyDeny },
  { weight: 3, arbitrary: anyLimit },
)

const calendar = fc
  .record({
    days: fc.subarray(['2026-06-01', '2026-06-06', '2026-10-25']),
    periods: fc.subarray([{ from: '2026-06-01T11:00:00Z', to: '2026-06-01T14:30:00+02:00' }]),
    knownUntil: word('2026-12-31', '2026-12-31', '2026-06-01'),
  })
  .map(calendarOf)

function calendarOf(content: object): Calendar {
  const parsed = parseCalendar({ content: { schema: 1, id: 'generated', ...content }, version: 'v1' })
  if ('problems' in parsed) throw new TypeError(parsed.problems.map(problemText).join())
  return parsed.calendar
}

/** Rules, the calendars that they name, and a request. */
export interface Scenario {
  readonly documents: readonly RuleDocument[]
  readonly calendars: Calendars
  readonly facts: Facts
}

/** There is never one of the id `nowhere`, which rules name too. */
export const calendars: fc.Arbitrary<Calendars> = sparse({ holidays: calendar, freeze: calendar }, 0.8).map(
  found => new Map(Object.entries(found)),
)

export const scenario: fc.Arbitrary<Scenario> = fc.record({
  // A target has one rule of an id.
  documents: fc.uniqueArray(anyRule, {
    minLength: 1,
    maxLength: 12,
    selector: ({ id, ...rule }) => `${rule['target']}/${id}`,
  }),
  calendars,
  facts,
})
