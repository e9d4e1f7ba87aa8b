import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { audience, operator } from '../../infra/local/world.ts'
import type { ExchangeEntry } from '../../shared/decisions/record.ts'
import { withoutSystemProperties } from '../../shared/document.ts'
import type { TestTrace } from '../../shared/rules/decision.ts'
import { expectRefused } from '../attacks/refusal.ts'
import {
  type Answer,
  type Document,
  lasting,
  logIn,
  type PodName,
  post,
  type RunningStack,
  runStack,
  send,
} from '../running-stack.ts'
import { until } from './until.ts'

let stack: RunningStack
let token: string

const countries = '../../node_modules/@ip-location-db/geo-whois-asn-country-mmdb/geo-whois-asn-country.mmdb'
const jwt = 'urn:ietf:params:oauth:token-type:jwt'

beforeAll(async () => {
  stack = await runStack({
    settings: {
      CAUSEWAY_GEOIP_DATABASE: fileURLToPath(new URL(countries, import.meta.url)),
      CAUSEWAY_FORWARDERS: JSON.stringify([{ issuer: 'tenant', subject: operator.objectId }]),
    },
  })
  token = await stack.operatorToken()
  await describeIssuers()
})
afterEach(async () => expect(await stack.leaks()).toEqual([]))
afterAll(() => stack?.stop())

/** The cluster gets a region and a claim that is kept, and the operator may say where others call from. */
async function describeIssuers(): Promise<void> {
  const { resource } = await stack.documents.container('issuers').item('aks-local', 'aks-local').read<Document>()
  const cluster = withoutSystemProperties(resource ?? {})
  const tenant = { id: 'tenant', issuerUrl: stack.tenant.issuerUrl, kind: 'entra', audiences: [audience] }
  await put('issuers', { schema: 1, ...tenant, network: 'private' })
  await put('issuers', { ...cluster, region: 'westeurope', keepClaims: ['aud'] })
  const { target } = await targetWithRule({})
  await until(
    async () => (await recordOf(await forwarded(target, '198.51.100.7')))?.workload.issuer.region,
    region => region === 'westeurope',
  )
}

const put = (container: string, document: Document) => stack.documents.container(container).items.upsert(document)

let lastNumber = 0
/** Ids of this test alone: it may run twice. */
const fresh = (name: string) => `${name}-${++lastNumber}`

/** A target that no rule gives to anybody yet. */
async function freshTarget(like: 'orders-db' | 'mainframe-ftp', changes: Document = {}): Promise<string> {
  const id = fresh('target')
  const scopes = [like === 'orders-db' ? 'read' : 'login']
  await stack.addTarget({ id, like, changes, namespace: 'nobody', scopes })
  return id
}

const hint = 'open at times; ask the platform team'

/** A rule that gives a target to `payments/api`. */
function ruleOf(target: string, changes: Document = {}): Document & { readonly id: string; readonly target: string } {
  const workloads = [{ issuer: 'aks-local', namespace: 'payments', serviceAccount: 'api' }]
  const given = { effect: 'allow', workloads, scopes: ['login'], whenDenied: hint, ...changes }
  return { schema: 1, id: 'conditional', target, ...given }
}

/** Puts a rule through the operators' API: makes it, or replaces what is there. */
async function putRule(rule: ReturnType<typeof ruleOf>): Promise<Answer> {
  const url = `${stack.gateway.url}/manage/rules/${rule.target}/${rule.id}`
  const authorization = `Bearer ${token}`
  const etag = (await send(url, { headers: { authorization } })).headers.get('etag')
  const condition: Record<string, string> = etag === null ? { 'if-none-match': '*' } : { 'if-match': etag }
  return send(url, { method: 'PUT', body: JSON.stringify(rule), headers: { authorization, ...condition } })
}

/** A new target with such a rule, that was put; and the rule, to be changed. */
async function targetWithRule(
  changes: Document,
  like: 'orders-db' | 'mainframe-ftp' = 'mainframe-ftp',
  ofTarget: Document = {},
) {
  const target = await freshTarget(like, ofTarget)
  const rule = ruleOf(target, { ...(like === 'orders-db' && { scopes: ['read'] }), ...changes })
  expect(await putRule(rule)).toMatchObject({ status: 201 })
  return { target, rule }
}

const isIssued = ({ status }: Answer) => status === 200
const isRefused = ({ status }: Answer) => status !== 200

async function asks(target: string, pod: PodName = 'payments/api'): Promise<Answer> {
  return stack.exchange({ audience: target, subject_token: await stack.podToken(pod) })
}
const untilIssued = (target: string) => until(() => asks(target), isIssued)
const untilRefused = (target: string) => until(() => asks(target), isRefused)

/** An exchange of `payments/api` for which the operator says from where it comes. */
async function forwarded(target: string, address: string): Promise<Answer> {
  const form = new URLSearchParams({
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    subject_token: await stack.podToken(),
    subject_token_type: jwt,
    actor_token: token,
    actor_token_type: jwt,
    audience: target,
  })
  const answer = await post(`${stack.gateway.url}/token`, form, { 'x-causeway-client-ip': address })
  if (answer.status === 200) stack.note(String(answer.body['access_token']))
  return answer
}

async function recordOf({ body }: Answer): Promise<ExchangeEntry | undefined> {
  const [record] = await stack.recordsOf(String(body['decision_id']))
  return record as ExchangeEntry | undefined
}

/** What a test of the rule came to, as the record of an answer tells. */
async function tested(answer: Answer, test: string): Promise<TestTrace | undefined> {
  const rule = (await recordOf(answer))?.trace.find(({ rule }) => rule === 'conditional')
  return rule?.tests.find(one => one.test === test)
}

/** The whole of a refusal because of a condition, and what else its test tells. */
async function expectNotMet(answer: Answer, test: string, told: object): Promise<void> {
  const refusal = { status: 400, error: 'invalid_target', reason: 'condition_not_met', recorded: 'denied' } as const
  await expectRefused(stack, answer, { ...refusal, told: new RegExp(`^${hint}$`) })
  expect(await tested(answer, test)).toMatchObject({ met: false, ...told })
}

const inMinutes = (minutes: number) => new Date(Date.now() + minutes * 60_000)
/** What clocks in UTC show in so many minutes. */
const clockIn = (minutes: number) => inMinutes(minutes).toISOString().slice(11, 16)

describe('a rule with a condition on', () => {
  interface Row {
    readonly test: string
    readonly met: () => Document
    readonly unmet: () => Document
    /** What else the record tells of the test that is not met. */
    readonly told: object
  }
  test.each<[string, Row]>([
    [
      'time',
      {
        test: 'time',
        met: () => ({ time: [{ timeZone: 'UTC', from: clockIn(-120), to: clockIn(120) }] }),
        unmet: () => ({ time: [{ timeZone: 'UTC', from: clockIn(120), to: clockIn(-120) }] }),
        told: { found: { local: [expect.stringMatching(/^(mon|tue|wed|thu|fri|sat|sun) [-\d]+T\d\d:\d\d UTC$/)] } },
      },
    ],
    [
      "the client's network",
      {
        test: 'network',
        met: () => ({ network: { in: ['127.0.0.0/8', '::1'] } }),
        unmet: () => ({ network: { notIn: ['127.0.0.0/8', '::1'] } }),
        told: { found: { address: expect.stringMatching(/^(127\.0\.0\.1|::1)$/), provenance: 'direct' } },
      },
    ],
    [
      "the cluster's region",
      {
        test: 'clusterRegion',
        met: () => ({ geography: { clusterRegion: ['northeurope', 'westeurope'] } }),
        unmet: () => ({ geography: { clusterRegion: ['northeurope'] } }),
        told: { found: 'westeurope' },
      },
    ],
    [
      'a claim',
      {
        test: 'claims /aud',
        met: () => ({ claims: { '/aud': ['another', audience] } }),
        unmet: () => ({ claims: { '/aud': ['another'] } }),
        told: { found: [audience] },
      },
    ],
    [
      'an expression',
      {
        test: 'expression',
        met: () => ({ expression: "workload.pod.name.startsWith('api-') && target.labels['environment'] == 'prod'" }),
        unmet: () => ({ expression: "workload.pod.name.startsWith('web-')" }),
        told: { expected: "workload.pod.name.startsWith('web-')" },
      },
    ],
  ])('%s lets in while it is met, and then refuses, with its hint, and the record says why', async (_, row) => {
    const { target, rule } = await targetWithRule({ conditions: row.met() })
    const met = await untilIssued(target)
    expect(await tested(met, row.test)).toMatchObject({ met: true })
    expect(await putRule({ ...rule, conditions: row.unmet() })).toMatchObject({ status: 200 })
    const unmet = await untilRefused(target)
    await expectNotMet(unmet, row.test, row.told)
  })

  test("the client's country knows it from an address that a trusted actor forwards", async () => {
    const { target } = await targetWithRule({ conditions: { geography: { clientCountry: ['DE', 'NL'] } } })
    const german = await forwarded(target, '193.99.144.80')
    expect(german.status).toBe(200)
    expect(await recordOf(german)).toMatchObject({ client: { provenance: 'forwarded', country: 'DE' } })
    const australian = await forwarded(target, '1.1.1.1')
    await expectNotMet(australian, 'clientCountry', { found: 'AU' })
    await expectNotMet(await asks(target), 'clientCountry', { unevaluable: 'it is not known' })
  })

  test('a network that only forwarded addresses may prove takes the word of the trusted actor alone', async () => {
    const network = { in: ['198.51.100.0/24', '127.0.0.0/8', '::1'], provenance: ['forwarded'] }
    const { target } = await targetWithRule({ conditions: { network } })
    expect((await forwarded(target, '198.51.100.7')).status).toBe(200)
    await expectNotMet(await forwarded(target, '203.0.113.7'), 'network', {
      found: { address: '203.0.113.7', provenance: 'forwarded' },
    })
    await expectNotMet(await asks(target), 'network', { unevaluable: expect.any(String) })
  })
})

describe('posture', () => {
  const ofPod = 'pod/aks-local/payments/api-7d9c6b5f4-x2x7k'
  const observe = (id: string, observedAt: Date, high: number) =>
    put('posture', {
      schema: 1,
      id,
      of: ofPod,
      observedAt: observedAt.toISOString(),
      expiresAt: inMinutes(24 * 60).toISOString(),
      value: { high },
    })

  test('that is stale refuses, a new signal lets in, and a worse one refuses again', async () => {
    const signal = fresh('scan')
    await observe(signal, inMinutes(-61), 0)
    const { target } = await targetWithRule({
      conditions: { posture: [{ of: 'pod', signal, require: { '/high': { max: 0 } }, maxAge: 'PT1H' }] },
    })
    const name = `posture pod/${signal}`
    const stale = 'the signal is older than maxAge'
    await until(
      async () => (await tested(await asks(target), name))?.unevaluable,
      unevaluable => unevaluable === stale,
    )
    await expectNotMet(await asks(target), name, { unevaluable: stale })

    const observedAt = inMinutes(0)
    await observe(signal, observedAt, 0)
    const issued = await untilIssued(target)
    expect(await tested(issued, name)).toMatchObject({ met: true, found: { '/high': 0 } })
    expect(await recordOf(issued)).toMatchObject({
      facts: { posture: { pod: { [signal]: { observedAt: observedAt.toISOString(), value: { high: 0 } } } } },
    })

    await observe(signal, inMinutes(0), 1)
    await expectNotMet(await untilRefused(target), name, { found: { '/high': 1 } })
  })

  test('of one pod says nothing of another, which is refused', async () => {
    const signal = fresh('scan')
    await observe(signal, inMinutes(0), 0)
    const { target } = await targetWithRule({
      conditions: { posture: [{ of: 'pod', signal, require: { '/high': { max: 0 } }, maxAge: 'PT1H' }] },
    })
    await untilIssued(target)
    const other = await asks(target, 'payments/api 2')
    await expectNotMet(other, `posture pod/${signal}`, {
      unevaluable: 'there is no such signal, or no room for it in the record',
    })
  })
})

describe('a calendar', () => {
  const freeze = (id: string, ...periods: readonly Document[]) => put('calendars', { schema: 1, id, periods })

  test('that changes closes a window and opens it again, and one that is removed closes it', async () => {
    const calendar = fresh('freeze')
    await freeze(calendar)
    const { target } = await targetWithRule({ conditions: { time: [{ timeZone: 'UTC', notOn: [calendar] }] } })
    await untilIssued(target)

    const now = { from: inMinutes(-60).toISOString(), to: inMinutes(60).toISOString() }
    const { resource } = await freeze(calendar, now)
    const found = { calendars: { [calendar]: resource?.['_etag'] } }
    await expectNotMet(await untilRefused(target), 'time', { found })

    await freeze(calendar, { from: inMinutes(-90).toISOString(), to: inMinutes(-60).toISOString() })
    await untilIssued(target)

    await put('calendars', { id: calendar, deleted: true, ttl: 3_600 })
    await expectNotMet(await untilRefused(target), 'time', { unevaluable: expect.stringContaining('calendar') })
  })
})

describe('another environment', () => {
  test('is refused unless the rule says that it means to cross over', async () => {
    const target = await freshTarget('mainframe-ftp', { labels: { environment: 'test' } })
    const rule = ruleOf(target)
    expect(await putRule(rule)).toMatchObject({ status: 201 })
    await expectNotMet(await asks(target), 'environment', { found: { issuer: 'prod', target: 'test' } })
    expect(await putRule({ ...rule, crossEnvironment: true })).toMatchObject({ status: 200 })
    await untilIssued(target)
  })
})

describe('a lease', () => {
  test('is shortened by a limit of all targets, though its rule grants more', async () => {
    const { target } = await targetWithRule({ grant: { ttl: 'PT1H' } }, 'orders-db')
    const long = await stack.issue({ audience: target })
    expect(long.expires_in).toBeGreaterThan(120)
    await put('rules', {
      schema: 1,
      id: `limit-${target}`,
      target: '*',
      effect: 'limit',
      workloads: [{ issuer: '*' }],
      conditions: { expression: `target.id == '${target}'` },
      limit: { ttl: 'PT2M' },
    })
    const isShort = ({ body }: Answer) => Number(body['expires_in']) <= 120
    const short = await until(() => asks(target), isShort)
    expect(short.body['lease_id']).not.toBe(long.lease_id)
    const limits = [{ id: `limit-${target}`, target: '*', version: expect.any(String) }]
    expect(await recordOf(short)).toMatchObject({ outcome: 'allowed', grant: { ttl: 120_000 }, limits })
  })

  test('ends with the time window of its rule, and later only where the rule lets it outlive that', async () => {
    // To the minute, as windows are; far enough that a lease may begin, nearer than its ttl would end it.
    const end = new Date(Math.ceil(inMinutes(3).getTime() / 60_000) * 60_000)
    const to = end.toISOString().slice(11, 16)
    const conditions = { time: [{ timeZone: 'UTC', from: clockIn(-60), to }] }
    const { target, rule } = await targetWithRule({ conditions, grant: { ttl: 'PT15M' } }, 'orders-db')
    const { body } = await untilIssued(target)
    expect(Date.parse(String(body['expires_at']))).toBe(end.getTime())
    const lease = (await stack.leases()).find(({ id }) => id === body['lease_id'])
    expect(lease).toMatchObject({ state: 'active', expiresAt: end.toISOString() })

    await putRule({ ...rule, grant: { ttl: 'PT15M', outlive: true } })
    await until(
      () => asks(target),
      answer => Date.parse(String(answer.body['expires_at'])) > end.getTime(),
    )
  })

  test('beyond the quota of its service account is refused, until another pod has given its own back', async () => {
    // The lease of another window would need a place of its own.
    const { target } = await targetWithRule({ grant: { quota: { max: 1 } } }, 'orders-db', lasting)
    const { lease_id: first } = (await untilIssued(target)).body
    const full = { status: 429, error: 'slow_down', reason: 'quota_exhausted', recorded: 'failed' } as const
    await expectRefused(stack, await asks(target, 'payments/api 2'), { ...full, retryAfter: true })
    // Who has a place keeps it.
    expect((await asks(target)).body['lease_id']).toBe(first)

    await giveBack(String(first))
    await stack.gateway.runTimer('revoke-expired')
    const second = await until(() => asks(target, 'payments/api 2'), isIssued)
    expect(second.body['lease_id']).not.toBe(first)
    const session = await logIn({ credential: second.body['credential'] as Record<string, string> })
    await session.end()
    await expectRefused(stack, await asks(target), { ...full, retryAfter: true })
  })
})

/** `payments/api` gives a lease back, whose time for minting is over. */
async function giveBack(lease: string): Promise<void> {
  const form = {
    token: lease,
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: await stack.podToken(),
  }
  await stack.changeLease(lease, { mintUntil: inMinutes(-1).toISOString() })
  expect((await post(`${stack.gateway.url}/revoke`, new URLSearchParams(form))).status).toBe(200)
}

describe('a rule is refused with pointer, expectation and value where', () => {
  const posture = { of: 'pod', signal: 'scan', require: { '/high': { max: 0 } }, maxAge: 'PT1H' }
  test.each<[string, Document, readonly RegExp[]]>([
    [
      'a time zone is an offset',
      { time: [{ timeZone: '+02:00' }] },
      [/^\/conditions\/time\/0\/timeZone: expected an IANA time zone, .*, found "\+02:00"$/],
    ],
    [
      'a window has no length',
      { time: [{ timeZone: 'UTC', from: '08:00', to: '08:00' }] },
      [/^\/conditions\/time\/0\/to: expected another time than "from", found .*"08:00"/],
    ],
    [
      'a network is none',
      { network: { in: ['10.0.0.0/33'] } },
      [/^\/conditions\/network\/in\/0: expected a network .*, found "10\.0\.0\.0\/33"$/],
    ],
    [
      'a country is a name',
      { geography: { clientCountry: ['Germany'] } },
      [/^\/conditions\/geography\/clientCountry\/0: expected a country code .*, found "Germany"$/],
    ],
    [
      'posture is of what has none, and an age is in words',
      { posture: [{ ...posture, of: 'container', maxAge: '1 hour' }] },
      [
        /^\/conditions\/posture\/0\/of: .*expected one of .*"pod", found "container"$/,
        /^\/conditions\/posture\/0\/maxAge: expected an ISO 8601 duration .*, found "1 hour"$/,
      ],
    ],
    [
      'a claim is named, and not pointed to',
      { claims: { environment: ['prod'] } },
      [/^\/conditions\/claims\/environment: expected a JSON pointer .*, found "environment"$/],
    ],
    [
      'an expression names what there is not',
      { expression: "workload.pods.name == 'api'" },
      [/^\/conditions\/expression: expected a CEL expression: "pods" is not a member here; .*, found "workload\.pods/],
    ],
    ['a condition is unknown', { weather: 'fine' }, [/^\/conditions: .*"weather", found \{"weather":"fine"\}$/]],
    [
      'a calendar is not there',
      { time: [{ timeZone: 'UTC', notOn: ['nowhere'] }] },
      [/^\/conditions\/time: there is no calendar "nowhere"$/],
    ],
  ])('%s', async (_, conditions, problems) => {
    const rule = { ...ruleOf('mainframe-ftp', { conditions }), id: fresh('faulty') }
    const answer = await putRule(rule)
    expect(answer.status).toBe(422)
    const found = z.array(z.strictObject({ pointer: z.string(), detail: z.string() })).parse(answer.body['problems'])
    expect(found.map(({ pointer, detail }) => `${pointer}: ${detail}`)).toEqual(
      problems.map(problem => expect.stringMatching(problem)),
    )
    const { resource } = await stack.documents.container('rules').item(rule.id, rule.target).read()
    expect(resource).toBeUndefined()
  })
})
