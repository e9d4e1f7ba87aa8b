import { describe, expect, test } from 'vitest'
import { problemText } from '../../shared/document.ts'
import { type Calendar, parseCalendar } from '../../shared/rules/calendar.ts'
import { decide } from '../../shared/rules/decide.ts'
import { type LintOptions, lint, type Warning, type WarningKind } from '../../shared/rules/lint.ts'
import { parseRule } from '../../shared/rules/ruleset.ts'
import { allow, deny, factsOf, noon, type RuleDocument, rulesetOf, someoneElse } from './facts.ts'

const day = 86_400_000
const aboutPayments = { workloads: [{ issuer: 'aks-*', namespace: 'payments' }] }
const denyAll = { target: '*', workloads: [{ issuer: '*' }] }

/** Warnings at noon of the first of June 2026, unless the options say otherwise. */
function warnings(rules: readonly RuleDocument[], options: Partial<LintOptions> = {}): readonly Warning[] {
  const parsed = rules.map(document => {
    const found = parseRule(document)
    if ('problems' in found) throw new TypeError(found.problems.map(problemText).join())
    return found.rule
  })
  return lint(parsed, { now: noon, ...options })
}

/** Ids of the rules about which there is such a warning. */
function warned(kind: WarningKind, rules: readonly RuleDocument[], options?: Partial<LintOptions>): readonly string[] {
  return warnings(rules, options).flatMap(warning => (warning.kind === kind ? [warning.rule] : []))
}

test('rules that are about somebody, in force, and grant alike get no warning', () => {
  const rules = [allow('a', aboutPayments), allow('b', aboutPayments), deny('c', someoneElse)]
  expect(warnings(rules, { calendars: new Map() })).toEqual([])
})

describe('broad is an allow', () => {
  test.each<[string, readonly object[]]>([
    ['of every issuer', [{ issuer: '*' }]],
    ['whose every member is *', [{ issuer: '*', namespace: '*', pod: '*', actor: { issuer: '*', subject: '*' } }]],
    ['one of whose selectors is so', [{ issuer: 'aks-prod' }, { issuer: '*' }]],
  ])('%s', (_, workloads) => {
    expect(warnings([allow('a', { workloads })])).toEqual([
      { target: 'orders-db', rule: 'a', kind: 'broad', text: 'whoever asks is selected: every member is *' },
    ])
  })

  test.each<[string, RuleDocument]>([
    ['of one issuer', allow('a', { workloads: [{ issuer: 'aks-prod' }] })],
    ['of issuers that begin alike', allow('a', { workloads: [{ issuer: 'aks-*' }] })],
    ['of issuers with a label', allow('a', { workloads: [{ issuer: { labels: { tier: '1' } } }] })],
    ['of one namespace anywhere', allow('a', someoneElse)],
    ['of one kind of issuer', allow('a', { workloads: [{ issuer: '*', kind: 'aks' }] })],
    ['of a service account uid that is *', allow('a', { workloads: [{ issuer: '*', serviceAccountUid: '*' }] })],
    ['that is a deny', deny('a')],
  ])('and not one %s', (_, rule) => {
    expect(warned('broad', [rule])).toEqual([])
  })
})

describe('expired is a rule', () => {
  const ending = (expiresAt: string) => [deny('a', { expiresAt })]

  test('whose end is past, or now', () => {
    expect(warnings(ending('2026-06-01T11:59:59Z'))).toEqual([
      { target: 'orders-db', rule: 'a', kind: 'expired', text: 'it ended at 2026-06-01T11:59:59Z' },
    ])
    expect(warned('expired', ending('2026-06-01T12:00:00Z'))).toEqual(['a'])
  })

  test('and not one that ends later, or never', () => {
    expect(warned('expired', ending('2026-06-01T12:00:01Z'))).toEqual([])
    expect(warned('expired', [deny('a')])).toEqual([])
  })
})

describe('unreachable is an allow', () => {
  const narrow = allow('a', aboutPayments)

  test.each<[string, RuleDocument]>([
    ['of the same workloads', deny('d', aboutPayments)],
    ['of more workloads', deny('d')],
    ['of all targets', deny('d', denyAll)],
    ['of the same scopes', deny('d', { scopes: ['read'] })],
    ['of more scopes', deny('d', { scopes: ['write', 'read'] })],
    [
      'of all its workloads, by one selector among others',
      deny('d', { workloads: [{ issuer: 'x' }, { issuer: '*' }] }),
    ],
  ])('that a deny shadows, one %s', (_, shadow) => {
    expect(warnings([narrow, shadow])).toEqual([
      {
        target: 'orders-db',
        rule: 'a',
        kind: 'unreachable',
        text: `${shadow['target']}/d denies all that it allows`,
      },
    ])
  })

  test.each<[string, RuleDocument]>([
    ['a deny with a condition', deny('d', { conditions: { claims: { '/a': ['b'] } } })],
    ['a deny that begins one day', deny('d', { notBefore: '2026-01-01T00:00:00Z' })],
    ['a deny that ends one day', deny('d', { expiresAt: '2027-01-01T00:00:00Z' })],
    ['a deny of other scopes', deny('d', { scopes: ['write'] })],
    ['a deny of other workloads', deny('d', someoneElse)],
    ['a deny of some of its workloads', deny('d', { workloads: [{ issuer: 'aks-prod', namespace: 'payments' }] })],
    ['a deny of another target', deny('d', { target: 'mainframe' })],
    ['a report-only deny', deny('d', { state: 'report-only' })],
    ['a draft of a deny', deny('d', { state: 'draft' })],
    ['a disabled deny', deny('d', { state: 'disabled' })],
    ['another allow', allow('d', { workloads: [{ issuer: 'aks-*' }] })],
    ['a limit', { ...deny('d', denyAll), effect: 'limit', limit: { ttl: 'PT1M' } }],
  ])('and not one beside %s', (_, other) => {
    expect(warned('unreachable', [narrow, other])).toEqual([])
  })

  test('and not one of whose scopes, or of whose workloads, some are left', () => {
    const wide = allow('a', { ...aboutPayments, scopes: ['read', 'write'] })
    expect(warned('unreachable', [wide, deny('d', { scopes: ['read'] })])).toEqual([])
    const both = allow('a', { workloads: [...aboutPayments.workloads, ...someoneElse.workloads] })
    expect(warned('unreachable', [both, deny('d', someoneElse)])).toEqual([])
  })

  test('and not one that is not in force itself', () => {
    expect(warned('unreachable', [allow('a', { state: 'report-only' }), deny('d')])).toEqual([])
  })
})

describe('unused is an allow', () => {
  /** What was recorded of a request by these rules. */
  const recordedBy = (...rules: readonly RuleDocument[]) => [decide(rulesetOf(...rules), factsOf())]

  test('on which no recorded decision rests', () => {
    const rules = [allow('a', aboutPayments), allow('b', aboutPayments)]
    expect(warnings(rules, { recorded: recordedBy(...rules) })).toEqual([
      { target: 'orders-db', rule: 'b', kind: 'unused', text: 'no recorded decision rests on it' },
    ])
    expect(warned('unused', rules, { recorded: [] })).toEqual(['a', 'b'])
  })

  test('on which only decisions about another target rest, by a rule of the same name', () => {
    const [one, other] = [allow('a', aboutPayments), allow('a', { ...aboutPayments, target: 'mainframe' })]
    expect(warnings([one, other], { recorded: recordedBy(one) })).toMatchObject([{ target: 'mainframe', rule: 'a' }])
  })

  test('and not a deny, an allow that is not in force, or any where nothing is known of the past', () => {
    const others = [deny('d', someoneElse), allow('r', { ...aboutPayments, state: 'report-only' })]
    expect(warned('unused', others, { recorded: [] })).toEqual([])
    expect(warned('unused', [allow('a')])).toEqual([])
  })
})

describe('granted differently is a scope', () => {
  const brief = { grant: { ttl: 'PT5M' } }

  test('that two allows give to the same workloads, each in its own way', () => {
    const one = allow('a', { ...aboutPayments, scopes: ['read', 'write'] })
    const other = allow('b', { workloads: [{ issuer: 'aks-prod' }], scopes: ['write', 'read', 'admin'], ...brief })
    expect(warnings([one, other])).toEqual([
      {
        target: 'orders-db',
        rule: 'a',
        kind: 'granted-differently',
        text: 'b grants read, write otherwise to the same workloads',
      },
    ])
  })

  test.each<[string, object]>([
    ['another ttl', { ttl: 'PT5M' }],
    ['another share', { share: 'workload' }],
    ['to outlive its rule', { outlive: true }],
    ['a quota', { quota: { max: 2 } }],
  ])('by %s', (_, grant) => {
    const rules = [allow('a', aboutPayments), allow('b', { ...aboutPayments, grant })]
    expect(warned('granted-differently', rules)).toEqual(['a'])
  })

  test.each<[string, RuleDocument]>([
    ['an allow that grants alike, said otherwise', allow('b', { ...aboutPayments, grant: { ttl: 'PT300S' } })],
    ['an allow of other scopes', allow('b', { ...aboutPayments, scopes: ['write'] })],
    ['an allow of other workloads', allow('b', someoneElse)],
    ['an allow of another target', allow('b', { ...aboutPayments, target: 'mainframe' })],
    ['a report-only allow', allow('b', { ...aboutPayments, state: 'report-only' })],
    ['a deny', deny('b', { ...aboutPayments, conditions: { claims: { '/a': ['b'] } } })],
  ])('and not beside %s', (_, other) => {
    expect(warned('granted-differently', [allow('a', { ...aboutPayments, ...brief }), other])).toEqual([])
  })
})

describe('a calendar is to be seen to', () => {
  const named = (...notOn: readonly string[]) => [
    deny('a', { conditions: { time: [{ timeZone: 'Europe/Berlin', notOn }] } }),
  ]

  function calendar(knownUntil?: string): Calendar {
    const content = { schema: 1, id: 'holidays', ...(knownUntil !== undefined && { knownUntil }) }
    const parsed = parseCalendar({ content, version: 'v1' })
    if ('problems' in parsed) throw new TypeError(parsed.problems.map(problemText).join())
    return parsed.calendar
  }

  test('where a rule names it and it is not there', () => {
    const calendars = new Map([['holidays', calendar()]])
    expect(warnings(named('holidays', 'freeze'), { calendars })).toEqual([
      { target: 'orders-db', rule: 'a', kind: 'calendar', text: 'there is no calendar "freeze"' },
    ])
  })

  test('where it ends within thirty days, or has ended', () => {
    const calendars = new Map([['holidays', calendar('2026-06-30')]])
    const end = Date.parse('2026-07-01T00:00:00Z')
    const warnedAt = (now: number) => warned('calendar', named('holidays'), { calendars, now })
    expect([end - 30 * day - 1, end - 30 * day, end, end + 999 * day].map(warnedAt)).toEqual([[], ['a'], ['a'], ['a']])
    expect(warnings(named('holidays'), { calendars, now: end })).toMatchObject([
      { text: 'calendar "holidays" ends on 2026-06-30' },
    ])
  })

  test('but not where it never ends, or nobody knows which there are', () => {
    const calendars = new Map([['holidays', calendar()]])
    expect(warned('calendar', named('holidays'), { calendars, now: noon + 9_999 * day })).toEqual([])
    expect(warned('calendar', named('holidays'))).toEqual([])
  })
})
