import fc from 'fast-check'
import { sparse, word } from './rule-facts-arbitraries.ts'

/** One to three of the words. */
export const some = (...words: readonly string[]) => fc.uniqueArray(word(...words), { minLength: 1, maxLength: 3 })

const issuerSelector = fc.oneof(
  { weight: 3, arbitrary: word('*', '*', '*', 'aks-prod', 'aks-*', 'idp') },
  { weight: 1, arbitrary: word({ labels: { environment: 'prod' } }, { labels: { environment: 'dev', tier: '1' } }) },
)

/** Whom a rule is about: by every member there is, and mostly by few. */
export const selector = fc
  .tuple(
    fc.record({ issuer: issuerSelector }),
    sparse(
      {
        kind: word('aks', 'aks', 'oidc'),
        region: word('weu', 'w*'),
        namespace: word('payments', 'pay*', 'billing', '*'),
        serviceAccount: word('api', 'api*', 'batch'),
        serviceAccountUid: word('uid-1', 'uid-2', 'uid-*'),
        pod: word('api-1', 'api-*', '*'),
        node: word('node-1', 'node-*'),
        subject: word('payments/api', 'payments/*', 'p*'),
        actor: word({ issuer: 'idp', subject: 'portal' }, { issuer: '*', subject: 'port*' }),
      },
      0.1,
    ),
  )
  .map(([required, others]) => ({ ...required, ...others }))

const hours = word(
  { from: '00:00', to: '24:00' },
  { from: '02:30', to: '14:00' },
  { from: '12:00', to: '15:00' },
  { from: '14:00', to: '12:00' },
  { from: '23:00', to: '03:00' },
)
/** A time window, with or without calendars. */
export const window = fc
  .tuple(
    hours,
    fc.record({ timeZone: word('Europe/Berlin', 'UTC', 'America/New_York', 'Australia/Lord_Howe') }),
    sparse(
      {
        days: some('mon', 'mon', 'sat', 'sun'),
        notOn: some('holidays', 'freeze', 'nowhere'),
        onlyOn: some('holidays', 'freeze'),
      },
      0.3,
    ),
  )
  .map(parts => Object.assign({}, ...parts) as object)

const networks = some('10.0.0.0/8', '10.0.0.0/8', '192.0.2.7', '2001:db8::/32', '0.0.0.0/0')
const network = fc.oneof(
  fc.record({ in: networks }),
  fc.record({ notIn: networks }),
  fc.record({ in: networks, notIn: some('10.1.2.4', '2001:db8::7'), provenance: word(['direct'], ['forwarded']) }),
)

const country = { clientCountry: some('DE', 'NL') }
const region = { clusterRegion: some('weu', 'neu') }
const geography = fc.oneof(fc.record(country), fc.record(region), fc.record({ ...country, ...region }))

const signal = fc.record({
  of: word('cluster', 'namespace', 'pod'),
  signal: word('defender', 'patches'),
  require: word(
    { '/high': { max: 0 } },
    { '/high': { min: 1, max: 3 } },
    { '/state': { equals: 'ok' } },
    { '/state': { oneOf: ['ok', 'warn'] }, '/high': { max: 2 } },
  ),
  maxAge: word('PT1H', 'PT1H', 'PT10M'),
})

const claims = word(
  { '/environment': ['prod'] },
  { '/level': [1, 2] },
  { '/groups': ['ops', 'dev'] },
  { '/groups/0': ['ops'], '/environment': ['prod', true] },
)

/** None is met because the client, the posture or a claim is not known. */
const expression = word(
  "workload.pod.name.startsWith('api-')",
  "client.country == 'DE' || client.provenance == 'direct'",
  "workload.claims['level'] > 1",
  "'ops' in workload.claims['groups']",
  "scopes.all(scope, scope != 'write') || workload.claims['level'] == 1.0",
  "has(actor.subject) ? actor.subject == 'portal' : scopes == ['read']",
  "actor.subject == 'portal' && workload.subject.matches('^pay.*api$')",
  "time.getHours('Europe/Berlin') < 14 && size(scopes) < 2",
  "1.0 / double(workload.claims['level']) < 1.0",
)

/** All conditions, of which a rule has mostly one or none. */
export const conditions = sparse(
  {
    time: fc.array(window, { minLength: 1, maxLength: 3 }),
    network,
    geography,
    posture: fc.array(signal, { minLength: 1, maxLength: 2 }),
    claims,
    expression,
  },
  0.15,
)
