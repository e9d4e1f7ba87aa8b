import fc from 'fast-check'
import { anyRule } from './rule-arbitraries.ts'

/** A guardrail that has every member: each can be changed. */
const complete = {
  schema: 1,
  id: 'complete',
  target: '*',
  effect: 'deny',
  state: 'enforced',
  priority: 100,
  workloads: [{ issuer: '*' }, { issuer: { labels: { environment: 'prod' } }, namespace: 'pay*', kind: 'aks' }],
  scopes: ['read', 'write'],
  conditions: {
    time: [{ days: ['mon', 'tue'], from: '02:30', to: '14:00', timeZone: 'Europe/Berlin', notOn: ['holidays'] }],
    network: { in: ['10.0.0.0/8', '2001:db8::/32'], notIn: ['10.1.2.4'], provenance: ['direct', 'forwarded'] },
    geography: { clientCountry: ['DE', 'US'], clusterRegion: ['weu'] },
    posture: [{ of: 'cluster', signal: 'defender', require: { '/high': { min: 0, max: 1 } }, maxAge: 'PT1H' }],
    claims: { '/environment': ['prod', 1] },
    expression: "workload.subject != client.address || workload.claims['level'] > 1",
  },
  notBefore: '2026-01-01T00:00:00Z',
  expiresAt: '2027-01-01T00:00:00Z',
  whenDenied: 'ask us',
  description: 'everything',
}

const addresses = [
  '::/0',
  '0.0.0.0/0',
  '10.1.2.3/8',
  '10.0.0.0/33',
  '::ffff:10.0.0.0/104',
  '0::ffff:10.0.0.0/104',
  '::1/8.5',
  '::1/1e1',
  '10.0.0.0/8.5',
]
const texts = ['*', 'a*', 'a*b', '**', '', 'a\n*', '\ud800*', 'x'.repeat(253), 'x'.repeat(300)]
const ids = ['a', 'a'.repeat(63), 'a'.repeat(64), '*', 'constructor', 'valueof', '-', 'A']
const instants = ['0000-01-01T00:00:00Z', '9999-12-31T23:59:59.999999999Z', '2026-02-30T00:00:00Z', '2026-06-01']
const clocks = ['00:00', '03:00', '23:59', '24:00', '24:01', '7:00']
const numbers = [0, -0, -1, 0.5, 1, 1e300, 2 ** 53, 100_000, 100_001]

/** By the name of a member, values at the edges of what it may be, and beyond. */
const edges: Readonly<Record<string, readonly unknown[]>> = {
  id: ids,
  signal: ids,
  notOn: ids,
  target: ['orders-db', 'mainframe', '*', ''],
  effect: ['allow', 'deny', 'limit'],
  state: ['enforced', 'report-only', 'draft'],
  priority: numbers,
  min: numbers,
  max: numbers,
  issuer: texts,
  namespace: texts,
  labels: [{ constructor: 'x' }, { toString: '' }, {}],
  environment: texts,
  scopes: [...texts, 'a"b', 'read'],
  days: ['sun', 'mon', 'Mon'],
  from: clocks,
  to: clocks,
  timeZone: ['utc', 'PST', 'EST', 'GMT+2', '+02:00', 'Etc/GMT-14', 'Asia/Calcutta', 'Factory', 'Antarctica/Troll'],
  in: addresses,
  notIn: [...addresses, 'fe80::1%eth0', '::1.2.3.4', '1.2.3.4/08', '01.2.3.4'],
  maxAge: ['PT1M', 'PT0S', 'P30D', 'P1M', 'PT0.5H', '-PT5M', 'PT90S', 'pt5m', 'P1Y'],
  require: [{ '/constructor': { max: 1 } }, { '/a~1b/0': { equals: true } }, { '': { max: 1 } }, {}],
  claims: [{ '/__proto__': ['a'] }, { '/length': [1] }, { '/environment/length': [4] }, { '/a/b/c': [''] }],
  notBefore: instants,
  expiresAt: instants,
  expression: [
    ...['', 'true', 'scopes', 'scopes == scopes', 'target.labels', '1 +', '))', 'has(workload.pod.name)'],
    ...["workload.claims['level'] / 0 > 1", "int(workload.claims['environment']) > 9223372036854775807"],
    ...[
      'size(workload.claims) > -9223372036854775808',
      'workload.claims == target.labels',
      "time.getHours('nowhere') > 1",
    ],
    ...[
      "client.address.matches('(a{100}){100}')",
      "client.address.matches('(')",
      'duration(workload.subject) > duration("1s")',
    ],
    ...[
      'timestamp(workload.subject) < time',
      'scopes.map(s, s + s).exists_one(s, s == target.id)',
      "scopes[-1] == 'a'",
    ],
  ],
}

const otherwise = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }),
  fc.constantFrom(...Intl.supportedValuesOf('timeZone')),
  fc.tuple(fc.oneof(fc.ipV4(), fc.ipV6()), fc.nat(130)).map(([address, bits]) => `${address}/${bits}`),
  fc.tuple(fc.ipV6(), fc.double({ min: 0, max: 128, noNaN: true })).map(([address, bits]) => `${address}/${bits}`),
  fc.ipV6(),
)

type Change = (edge: number, otherwise: unknown, added: string) => void

/** Every change of one thing: a member at the edge, replaced by whatever, taken away, or added. */
function changesOf(value: unknown, parent: string): readonly Change[] {
  if (typeof value !== 'object' || value === null) return []
  const set = (name: string, to: unknown) =>
    Object.defineProperty(value, name, { value: to, enumerable: true, configurable: true, writable: true })
  const ofMembers = Object.entries(value).flatMap(([name, member]): readonly Change[] => {
    const known = edges[Array.isArray(value) ? parent : name] ?? []
    const atEdge: Change = (edge, other) => set(name, known.length > 0 ? known[edge % known.length] : other)
    const replaced: Change = (_, other) => set(name, other)
    const removed: Change = () => Reflect.deleteProperty(value, name)
    return [atEdge, atEdge, replaced, ...(Array.isArray(value) ? [] : [removed]), ...changesOf(member, name)]
  })
  return [...ofMembers, (_, other, added) => set(Array.isArray(value) ? String(value.length) : added, other)]
}

const changed = fc
  .record({
    rule: fc.oneof(anyRule, fc.constant(complete)),
    place: fc.nat(),
    edge: fc.nat(),
    other: otherwise,
    added: fc.oneof(fc.constantFrom('quota', 'limit', 'expression'), fc.string({ maxLength: 3 })),
  })
  .map(({ rule, place, edge, other, added }): unknown => {
    const document = structuredClone(rule)
    const changes = changesOf(document, '')
    changes[place % changes.length]?.(edge, other, added)
    return document
  })

/** Whatever may stand in the container of rules: documents that are nearly rules, still acceptable often, and any JSON. */
export const storedDocument: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 9, arbitrary: changed },
  { weight: 1, arbitrary: fc.jsonValue() },
)
