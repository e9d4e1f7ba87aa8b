import fc from 'fast-check'
import type { Client, Facts, Posture } from '../../shared/rules/facts.ts'
import type { Claim, Workload } from '../../shared/workload/workload.ts'
import { minute, noon } from '../rules/facts.ts'

/** One of a few words: few, so that rules are about somebody, and met, often enough. */
export const word = fc.constantFrom

type Members<T> = { [Name in keyof T]: fc.Arbitrary<T[Name]> }

/** A record with each of the members in that share (0 to 1) of all records. */
export function sparse<T extends object>(members: Members<T>, share: number): fc.Arbitrary<Partial<T>> {
  const isThere = fc.nat(99).map(number => number < share * 100)
  const presence = fc.record<Record<string, boolean>>(
    Object.fromEntries(Object.keys(members).map(name => [name, isThere])),
  )
  return fc
    .tuple(fc.record(members), presence)
    .map(([all, has]) => Object.fromEntries(Object.entries(all).filter(([name]) => has[name])) as Partial<T>)
}

const times = [
  noon,
  Date.parse('2026-06-06T21:59:59.999Z'),
  // Around both of the jumps of the clocks in Berlin.
  Date.parse('2026-03-29T00:59:00Z'),
  Date.parse('2026-10-25T00:30:00Z'),
]
const hour = 60 * minute

/** Epoch milliseconds near the edges of what rules name. */
export const instant = fc
  .tuple(word(noon, noon, ...times), word(-hour, -1, 0, 1, hour))
  .map(([time, more]) => time + more)

/** Labels of issuers and targets. */
export const environments = word<Readonly<Record<string, string>>>(
  { environment: 'prod' },
  { environment: 'prod' },
  { environment: 'prod' },
  { environment: 'dev', tier: '1' },
  {},
)

const claim = fc.oneof(
  word<Claim>('prod', 'dev', 1, 2, 0, 1e300, true, ['ops', 'prod'], []),
  fc.string({ maxLength: 4 }),
)
/** As the gateway keeps them: without a prototype. */
const keptClaims = sparse({ environment: claim, level: word<Claim>(0, 1, 2, 'dev'), groups: claim }, 0.7).map(
  members => Object.assign(Object.create(null), members) as Workload['claims'],
)

const issuer = fc
  .tuple(
    fc.record({ id: word('aks-prod', 'aks-prod', 'idp'), kind: word('aks', 'aks', 'oidc'), labels: environments }),
    sparse({ region: word('weu', 'neu') }, 0.7),
  )
  .map(([required, others]) => ({ ...required, ...others }))

const namesOf = (...names: readonly string[]) =>
  fc
    .tuple(fc.record({ name: word(...names) }), sparse({ uid: word('uid-1', 'uid-*') }, 0.7))
    .map(([required, others]) => ({ ...required, ...others }))

const workload: fc.Arbitrary<Workload> = fc
  .tuple(
    fc.record({
      issuer,
      subject: word('payments/api', 'billing/batch'),
      claims: keptClaims,
      token: fc.constant({ keyId: 'key-1', issuedAt: noon / 1_000, expiresAt: noon / 1_000 + 3_600 }),
    }),
    sparse(
      {
        namespace: word('payments', 'payments', 'billing'),
        serviceAccount: namesOf('api', 'api', 'batch'),
        pod: namesOf('api-1', 'batch-1'),
        node: namesOf('node-1'),
      },
      0.9,
    ),
  )
  .map(([required, others]) => ({ ...required, ...others }))

const portal: fc.Arbitrary<Workload> = workload.map(one => ({
  ...one,
  issuer: { ...one.issuer, id: 'idp' },
  subject: 'portal',
}))

const seen = {
  address: word('10.1.2.3', '10.1.2.3', '192.0.2.7', '2001:db8::7', '203.0.113.9'),
  provenance: word<Client['provenance']>('direct', 'forwarded'),
}
/** Unlike claims, these are made by the gateway, and are ordinary objects. */
const ordinary = { noNullPrototype: true }
const client: fc.Arbitrary<Client> = fc.oneof(
  fc.constant<Client>({ provenance: 'unknown' }),
  fc.record(seen, ordinary),
  fc.record({ ...seen, country: word('DE', 'DE', 'NL', 'US') }, ordinary),
)

const anyJson: fc.Arbitrary<number | string | null> = fc.jsonValue({ maxDepth: 2 }).map(value => value as null)
const signalValue = fc.oneof(
  { weight: 4, arbitrary: sparse({ high: word(0, 0, 1, 2, 9, '0'), state: word('ok', 'ok', 'warn', 7) }, 0.9) },
  { weight: 1, arbitrary: anyJson },
)

const postureAt = (time: number): fc.Arbitrary<Posture> => {
  const at = (...minutes: readonly number[]) =>
    word(...minutes.map(each => new Date(time + each * minute).toISOString()))
  const observed = at(-1, -1, -1, -5, -30, -61, 0.5, 2)
  const signal = fc.record({ observedAt: observed, expiresAt: at(60, 60, 60, 1, 0), value: signalValue })
  const signals = sparse({ defender: signal, patches: signal }, 0.9)
  return sparse({ cluster: signals, namespace: signals, pod: signals }, 0.9)
}

const factsAt = (time: number): fc.Arbitrary<Facts> =>
  fc
    .tuple(
      fc.record({
        workload,
        target: environments.map(labels => ({
          id: 'orders-db',
          labels,
          scopes: ['read', 'write', 'admin'],
          defaultTtl: 15 * minute,
          maxTtl: 60 * minute,
        })),
        scopes: fc.oneof(
          { weight: 6, arbitrary: word(['read'], ['write'], ['read', 'write']) },
          { weight: 1, arbitrary: word(['admin'], [], ['read', 'unheard-of']) },
        ),
        client,
        time: fc.constant(time),
      }),
      sparse({ actor: portal, posture: postureAt(time) }, 0.8),
    )
    .map(([required, others]) => ({ ...required, ...others }))

/** What rules are judged against: members missing, claims of odd types, signals fresh and stale. */
export const facts: fc.Arbitrary<Facts> = instant.chain(factsAt)
