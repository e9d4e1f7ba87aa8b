import { inspect } from 'node:util'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { RecordPosition } from '../shared/decisions/record.ts'
import { ExchangeError, NotMinted, unavailable } from '../shared/errors.ts'
import { type ExchangeSteps, exchange } from '../shared/exchange.ts'
import type { Lockdown } from '../shared/workload/lockdown.ts'
import type { Workload } from '../shared/workload/workload.ts'
import { type StandIn, startStandIn } from './conformance/cosmos/stand-in.ts'
import { largestPosture, largestWorkload } from './decisions/largest-workload.ts'
import { logContainers, openLog } from './decisions/open-log.ts'
import { asked, failureOf, issuedBy, openRoute, type Route, refusedBy, secretText, settled } from './exchange-steps.ts'
import { allow, deny, minute, noon, paymentsApi, type RuleDocument, someoneElse } from './rules/facts.ts'

const never = () => new Promise<never>(() => {})
const logDown = () => Promise.reject(unavailable('record_unavailable'))

/** Starts an exchange whose record stays unwritten, and tells whether it came to anything. */
async function startedWithoutRecord(route: Route, ask = asked()): Promise<{ readonly came: unknown }> {
  route.writes(never)
  const seen: { came: unknown } = { came: 'nothing' }
  exchange(ask, route.steps).then(
    outcome => (seen.came = outcome),
    error => (seen.came = error),
  )
  await settled()
  return seen
}

describe('what is issued', () => {
  test('a new lease: recorded, then minted, then released', async () => {
    const route = openRoute()
    const issued = await issuedBy(route)
    expect(route.events).toEqual(['record allowed', 'mint'])
    expect(route.store.only()).toMatchObject({ id: issued.lease, state: 'active', decision: 'decision-1' })
    expect(issued).toMatchObject({ scopes: ['read'], tokenType: 'N_A' })
    expect(issued.expiresAt).toBe(Date.parse(route.store.only().expiresAt))
  })

  test('a live lease: recorded, then described, without the target', async () => {
    const route = openRoute()
    const first = await issuedBy(route)
    route.events.length = 0
    const again = await issuedBy(route)
    expect(route.events).toEqual(['record allowed', 'describe'])
    expect(again).toMatchObject({ lease: first.lease, expiresAt: first.expiresAt })
  })

  test('a static secret: read, then recorded, then released', async () => {
    const route = openRoute()
    const issued = await issuedBy(route, asked('mainframe'))
    expect(route.events).toEqual(['read secret', 'record allowed'])
    expect(issued).toMatchObject({ expiresAt: noon + 15 * minute, refreshAt: noon + 7.5 * minute })
    expect(issued.lease).toBe(undefined)
    expect(route.store.leases.size).toBe(0)
  })

  test('the record holds who, what, by which rule and which credential, and no secret and no token', async () => {
    for (const target of ['mainframe', 'orders-db']) {
      const route = openRoute()
      const issued = await issuedBy(route, asked(target))
      const [entry] = route.entries
      expect(entry).toMatchObject({
        decision: 'decision-1',
        outcome: 'allowed',
        asked: { target, scopes: ['read'] },
        workload: paymentsApi,
        client: { address: '192.0.2.7', provenance: 'direct' },
        facts: { scopes: ['read'], time: noon },
        rules: [{ id: 'payments-reads', version: 'v-payments-reads' }],
        credential: target === 'mainframe' ? { version: '7' } : { lease: issued.lease },
      })
      const written = JSON.stringify(route.entries) + inspect(route.entries, { depth: 20 })
      expect(written).not.toContain(secretText)
      expect(written).not.toContain('its.token.signed')
    }
  })

  test('the record holds what else the decision rests on: posture, limits, and how many rules were passed over', async () => {
    const limit = deny('five-minutes', { target: '*', effect: 'limit', limit: { ttl: 'PT5M' } })
    const route = openRoute(allow('a'), limit, allow('b', someoneElse))
    const posture = {
      node: { patched: { observedAt: '2026-06-01T11:00:00Z', expiresAt: '2026-06-02T11:00:00Z', value: { days: 3 } } },
    }
    await issuedBy({ ...route, steps: { ...route.steps, posture: async () => posture } })
    expect(route.entries).toMatchObject([
      { facts: { posture }, limits: [{ id: 'five-minutes', target: '*' }], grant: { ttl: 5 * minute }, passedOver: 1 },
    ])
  })

  test("a request without scopes gets the target's default ones", async () => {
    expect((await issuedBy(openRoute(), asked('mainframe', { scopes: [] }))).scopes).toEqual(['read'])
  })

  test("a target's default scopes are the same request in any order: they get the same account", async () => {
    const route = openRoute(allow('a', { scopes: ['read', 'write'] }))
    const { find } = route.steps.targets
    let order = ['write', 'read']
    const targets: ExchangeSteps['targets'] = {
      async find(name) {
        const target = await find(name)
        return target && 'issuing' in target ? { ...target, defaultScopes: order } : target
      },
    }
    const first = await exchange(asked('orders-db', { scopes: [] }), { ...route.steps, targets })
    order = ['read', 'write']
    const second = await exchange(asked('orders-db', { scopes: [] }), { ...route.steps, targets })
    expect(first).toMatchObject({ scopes: ['read', 'write'], lease: route.store.only().id })
    expect(second).toMatchObject({ lease: route.store.only().id })
  })

  test('a static secret is announced for no longer than its rule lasts', async () => {
    const route = openRoute(allow('a', { expiresAt: '2026-06-01T12:04:00Z' }))
    expect((await issuedBy(route, asked('mainframe'))).expiresAt).toBe(noon + 4 * minute)
  })
})

describe('no record, no credential', () => {
  test('no record, no credential: while the record is being written nothing is minted', async () => {
    const route = openRoute()
    const seen = await startedWithoutRecord(route)
    expect(route.events).toEqual(['record allowed'])
    expect(route.store.only().state).toBe('reserved')
    expect(seen.came).toBe('nothing')
  })

  test('no record, no credential: while the record is being written a live lease is not described', async () => {
    const route = openRoute()
    await issuedBy(route)
    route.events.length = 0
    const seen = await startedWithoutRecord(route)
    expect(route.events).toEqual(['record allowed'])
    expect(seen.came).toBe('nothing')
  })

  test('no record, no credential: while the record is being written a static secret is not released', async () => {
    const seen = await startedWithoutRecord(openRoute(), asked('mainframe'))
    expect(seen.came).toBe('nothing')
  })

  test.each(['orders-db', 'mainframe'])('no record, no credential: where it fails, %s is 503', async target => {
    const route = openRoute()
    route.writes(logDown)
    const error = await failureOf(route, asked(target))
    expect(error).toMatchObject({ code: 'temporarily_unavailable', reason: 'record_unavailable' })
    expect(route.events).not.toContain('mint')
    expect(inspect(error, { depth: 9 })).not.toContain(secretText)
  })

  test('no record, no credential: where it fails, not even of a minter that did not wait for it', async () => {
    const route = openRoute()
    route.writes(logDown)
    route.mintsUnasked()
    expect((await failureOf(route)).reason).toBe('record_unavailable')
    expect(route.store.only()).toMatchObject({ state: 'revoking', cause: 'failed' })
  })

  test('a record that is too large releases nothing, and that it failed is on record', async () => {
    const route = openRoute()
    route.writes(() => Promise.reject(new ExchangeError('server_error', 'record_too_large')))
    expect(await failureOf(route)).toMatchObject({ code: 'server_error', reason: 'record_too_large' })
    expect(route.events).toEqual(['record allowed', 'record failed'])
    expect(route.entries[1]).toMatchObject({ code: 'server_error', reason: 'record_too_large' })
  })

  test('a live lease is untouched by a log that is down, and a reserved one is given back', async () => {
    const route = openRoute()
    await issuedBy(route)
    const live = route.store.only()
    route.writes(logDown)
    await failureOf(route)
    expect(route.store.only()).toBe(live)
    route.clock.time += 60 * minute
    route.writes(logDown)
    await failureOf(route)
    const [untouched, reserved] = [...route.store.leases.values()].map(({ lease }) => lease)
    expect(untouched).toBe(live)
    expect(reserved).toMatchObject({ state: 'reserved', vacant: true })
  })

  test('a log that is down for minutes uses up no generation: the first is minted once it is back', async () => {
    const route = openRoute()
    for (let attempt = 0; attempt < 20; attempt++) {
      route.writes(logDown)
      expect(await failureOf(route)).toMatchObject({ code: 'temporarily_unavailable', reason: 'record_unavailable' })
      route.clock.time += 10_000
    }
    expect(route.events).not.toContain('mint')
    route.events.length = 0
    await issuedBy(route)
    expect(route.events).toEqual(['record allowed', 'mint'])
    for (const { lease } of route.store.leases.values()) expect(lease.generation).toBe(0)
  })

  test('a denial whose record fails is 503, and not the denial', async () => {
    const route = openRoute(deny('d'))
    route.writes(logDown)
    expect(await failureOf(route)).toMatchObject({ code: 'temporarily_unavailable', reason: 'record_unavailable' })
  })
})

describe('who is denied', () => {
  const hint = { whenDenied: 'ask #orders-db' }
  test.each<[string, readonly RuleDocument[], ReturnType<typeof asked>, string, string]>([
    ['a deny wins: a rule that denies', [allow('a'), deny('d')], asked(), 'invalid_target', 'denied_by_rule'],
    ['a guardrail denies', [allow('a'), deny('g', { target: '*' })], asked(), 'invalid_target', 'denied_by_rule'],
    ['no rule allows', [allow('a', someoneElse)], asked(), 'invalid_target', 'no_rule'],
    ['an unknown target', [], asked('nowhere'), 'invalid_target', 'target_unknown'],
    ['a disabled target', [], asked('off'), 'invalid_target', 'target_disabled'],
    ['a scope not granted', [], asked('orders-db', { scopes: ['write'] }), 'invalid_scope', 'scope_not_granted'],
    ['a scope unknown', [], asked('orders-db', { scopes: ['fly'] }), 'invalid_scope', 'scope_unknown'],
    ['another type', [], asked('orders-db', { requestedTokenType: 'urn:x' }), 'invalid_request', 'token_type_mismatch'],
    ['a torn target', [], asked('torn'), 'temporarily_unavailable', 'target_unreadable'],
    ['a torn rule', [allow('a'), allow('b', { x: 1 })], asked(), 'temporarily_unavailable', 'rule_unreadable'],
    ['a torn target, not its', [allow('a', someoneElse)], asked('torn'), 'invalid_target', 'target_unreadable'],
    ['a torn rule, not its', [allow('b', { x: 1 })], asked(), 'invalid_target', 'rule_unreadable'],
    ['a scope, not its', [allow('a', someoneElse)], asked('orders-db', { scopes: ['x'] }), 'invalid_target', 'no_rule'],
  ])('%s: nothing is issued, the code is told and the reason recorded', async (_, rules, ask, code, reason) => {
    const route = openRoute(...rules)
    const refused = await refusedBy(route, ask)
    expect(refused.code).toBe(code)
    expect(route.entries).toMatchObject([{ outcome: 'denied', code, reason, decision: 'decision-1' }])
    expect(route.events).toEqual(['record denied'])
    expect(route.store.leases.size).toBe(0)
    expect(refused.retryAfter !== undefined).toBe(code === 'temporarily_unavailable')
  })

  test('unknown, disabled, denied and unreadable to others: the answers are alike, so nobody can map targets', async () => {
    const [unknown, ...others] = await Promise.all([
      refusedBy(openRoute(), asked('nowhere')),
      refusedBy(openRoute(), asked('off')),
      refusedBy(openRoute(deny('d'))),
      refusedBy(openRoute(allow('a', someoneElse)), asked('torn')),
      refusedBy(openRoute(allow('a', { ...someoneElse, ...hint }))),
    ])
    for (const other of others) expect(other).toEqual(unknown)
  })

  test("an operator's hint reaches the workload that the rule is about", async () => {
    expect((await refusedBy(openRoute(allow('a'), deny('d', hint)))).description).toBe('ask #orders-db')
  })

  test('the hint of a guardrail is given to nobody: a denied target answers like an unknown one', async () => {
    const guardrail = deny('g', { target: '*', ...hint })
    const [unknown, known] = [await refusedBy(openRoute(), asked('nowhere')), await refusedBy(openRoute(guardrail))]
    expect(known).toEqual(unknown)
  })
})

describe('posture that cannot be looked up', () => {
  const calm = { posture: [{ of: 'node', signal: 'alerts', require: { '/high': { max: 0 } }, maxAge: 'PT1H' }] }

  function openWithout(...rules: readonly RuleDocument[]): Route {
    const route = openRoute(...rules)
    return { ...route, steps: { ...route.steps, posture: () => Promise.reject(unavailable('documents_unavailable')) } }
  }

  test.each<[string, readonly RuleDocument[]]>([
    ['the allow that is about it asks for posture', [allow('a', { conditions: calm })]],
    ['a deny asks for posture, whatever an allow grants', [allow('a'), deny('d', { conditions: calm })]],
    ['a guardrail asks for posture', [allow('a'), deny('g', { target: '*', conditions: calm })]],
  ])('is 503 to a workload where %s: nothing is issued, and the failure recorded', async (_, rules) => {
    const route = openWithout(...rules)
    const failure = await failureOf(route)
    expect(failure).toMatchObject({ code: 'temporarily_unavailable', reason: 'documents_unavailable' })
    expect(route.events).toEqual(['record failed'])
    const trace = rules.map(({ id: rule }) => ({ rule }))
    expect(route.entries).toMatchObject([{ reason: 'documents_unavailable', trace }])
    expect(route.store.leases.size).toBe(0)
  })

  test.each<[string, readonly RuleDocument[]]>([
    ['the allow is about somebody else', [allow('a', { ...someoneElse, conditions: calm })]],
    ['a deny of everybody asks for posture', [allow('a', someoneElse), deny('d', { conditions: calm })]],
    ['a guardrail asks for posture', [deny('g', { target: '*', conditions: calm })]],
  ])(
    'is told to nobody whom no allow is about: where %s, the answer is that of an unknown target',
    async (_, rules) => {
      const route = openWithout(...rules)
      expect(await refusedBy(route)).toEqual(await refusedBy(openRoute(), asked('nowhere')))
      expect(route.events).toEqual(['record denied'])
    },
  )

  test.each<[string, readonly RuleDocument[]]>([
    ['another allow needs none', [allow('a', { priority: 1, conditions: calm }), allow('b')]],
    ['only a deny of others asks for it', [allow('a'), deny('d', { ...someoneElse, conditions: calm })]],
  ])('keeps nobody from what is allowed without it: where %s', async (_, rules) => {
    const route = openWithout(...rules)
    await issuedBy(route)
    expect(route.events).toEqual(['record allowed', 'mint'])
  })

  test('is that of a limit: it limits', async () => {
    const limit = deny('five-minutes', { target: '*', effect: 'limit', limit: { ttl: 'PT5M' }, conditions: calm })
    const route = openWithout(allow('a'), limit)
    await issuedBy(route)
    expect(route.entries).toMatchObject([{ grant: { ttl: 5 * minute }, limits: [{ id: 'five-minutes' }] }])
  })
})

describe('a workload of which so much is said that no record would hold it', () => {
  let standIn: StandIn

  beforeAll(async () => {
    standIn = await startStandIn({ containers: logContainers })
  })
  afterAll(() => standIn?.stop())

  /** The route on the real log, and the records that it printed. */
  function openOnLog(...rules: readonly RuleDocument[]): { readonly route: Route; readonly printed: string[] } {
    const printed: string[] = []
    // What opens the stream is no record of the route's.
    const print = (lines: string) =>
      void printed.push(...lines.split('\n').filter(line => JSON.parse(line).kind !== 'stream'))
    const route = openRoute(...rules)
    const decisions = openLog(standIn, { now: () => noon, print })
    const identify = async () => ({ workload: largestWorkload, actor: largestWorkload })
    const posture = async () => largestPosture
    return { route: { ...route, steps: { ...route.steps, decisions, identify, posture } }, printed }
  }

  const scopes = Array.from({ length: 15 }, (_, index) => `${'s'.repeat(62)}${10 + index}`)

  test('is denied a target as an unknown one is, and both are on record', async () => {
    const [known, unknown] = [openOnLog(deny('d')), openOnLog()]
    const answers = [
      await refusedBy(known.route, asked('orders-db', { scopes })),
      await refusedBy(unknown.route, asked('nowhere', { scopes })),
    ]
    expect(answers[0]).toEqual(answers[1])
    const records = [...known.printed, ...unknown.printed].map(line => JSON.parse(line))
    const who = { subject: largestWorkload.subject }
    expect(records).toMatchObject([
      { outcome: 'denied', reason: 'denied_by_rule', workload: who, rules: [{ id: 'd' }], factsOmitted: true },
      { outcome: 'denied', reason: 'target_unknown', workload: who, factsOmitted: true },
    ])
  })

  test('gets nothing that a rule allows it: no whole record, no credential, and the failure is on record', async () => {
    const { route, printed } = openOnLog(allow('a', { crossEnvironment: true }))
    expect(await failureOf(route)).toMatchObject({ code: 'server_error', reason: 'record_too_large' })
    expect(printed.map(line => JSON.parse(line))).toMatchObject([
      { outcome: 'failed', reason: 'record_too_large', workload: { subject: largestWorkload.subject } },
    ])
    expect(route.events).toEqual([])
    expect(route.store.only()).toMatchObject({ state: 'reserved', vacant: true })
  })
})

/** The time of an exchange, which is over when it has reserved a lease. */
function overOnceReserved({ store }: Route): AbortSignal {
  const time = new AbortController()
  store.before('create', () => time.abort())
  return time.signal
}

describe('what fails', () => {
  const notMinted = () => Promise.reject(new NotMinted('temporarily_unavailable', 'target_unavailable'))

  test('a mint that fails is followed by a failed record, which names the allowed one', async () => {
    const route = openRoute()
    route.mints(() => Promise.reject(unavailable('target_refused', { detail: { sqlState: '42501' } })))
    expect(await failureOf(route)).toMatchObject({ code: 'temporarily_unavailable', reason: 'target_refused' })
    expect(route.events).toEqual(['record allowed', 'mint', 'record failed'])
    expect(route.entries[1]).toMatchObject({
      reason: 'target_refused',
      follows: { stream: 'hour/boot/0', id: '1' },
      detail: { sqlState: '42501' },
      credential: { lease: route.store.only().id },
    })
    expect(route.store.only()).toMatchObject({ state: 'revoking', cause: 'failed' })
  })

  test('one that fails before the allowed record is there is told after it, and names it', async () => {
    const route = openRoute()
    const writing = Promise.withResolvers<RecordPosition>()
    route.writes(() => writing.promise)
    route.mintsUnasked(notMinted)
    const failing = failureOf(route)
    await settled()
    expect(route.events).toEqual(['record allowed', 'mint'])
    writing.resolve({ stream: 'hour/boot/0', id: '1' })
    expect((await failing).reason).toBe('target_unavailable')
    expect(route.events).toEqual(['record allowed', 'mint', 'record failed'])
    expect(route.entries[1]).toMatchObject({ follows: { stream: 'hour/boot/0', id: '1' } })
    expect(route.store.only().vacant).toBe(true)
  })

  test('a mint that certainly made nothing leaves the lease to the next exchange', async () => {
    const route = openRoute()
    route.mints(notMinted)
    expect((await failureOf(route)).reason).toBe('target_unavailable')
    expect(route.store.only()).toMatchObject({ state: 'reserved', vacant: true })
  })

  test('an account that cannot be made active is not released', async () => {
    const route = openRoute()
    route.store.before('replace', () => route.store.put({ ...route.store.only(), state: 'revoking' }))
    expect(await failureOf(route)).toMatchObject({ code: 'temporarily_unavailable', reason: 'lease_lost' })
    expect(route.events).toEqual(['record allowed', 'mint', 'record failed'])
  })

  test('an exchange whose time is over mints nothing', async () => {
    const route = openRoute()
    const error = await failureOf(route, { ...asked(), signal: overOnceReserved(route) })
    expect(error.reason).toBe('deadline')
    expect(route.events).toEqual(['record allowed', 'record failed'])
    expect(route.store.only().vacant).toBe(true)
  })

  test('one whose time is over and whose record fails while its lease is given back ends nothing but itself', async () => {
    const route = openRoute()
    const unhandled = vi.fn()
    process.on('unhandledRejection', unhandled)
    const { leases } = route.steps
    const abandon: typeof leases.abandon = async (...given) => settled().then(() => leases.abandon(...given))
    route.writes(logDown)
    const ask = { ...asked(), signal: overOnceReserved(route) }
    const exchanging = exchange(ask, { ...route.steps, leases: { ...leases, abandon } })
    await expect(exchanging).rejects.toMatchObject({ reason: 'record_unavailable' })
    process.off('unhandledRejection', unhandled)
    expect(unhandled).not.toHaveBeenCalled()
  })

  test('a bug is server_error, and its text reaches neither the record nor the caller', async () => {
    const route = openRoute()
    const bug = new TypeError(`cannot read ${secretText}`)
    const steps = { ...route.steps, rules: { of: () => Promise.reject(bug) } }
    await expect(exchange(asked(), steps)).rejects.toBe(bug)
    expect(route.entries).toMatchObject([{ outcome: 'failed', code: 'server_error', reason: 'internal' }])
    expect(JSON.stringify(route.entries)).not.toContain(secretText)
  })

  test('a failure is told as what failed first, even where its own record fails too', async () => {
    const route = openRoute()
    const steps = { ...route.steps, targets: { find: () => Promise.reject(unavailable('snapshot_stale')) } }
    route.writes(logDown)
    await expect(exchange(asked(), steps)).rejects.toMatchObject({ reason: 'snapshot_stale' })
  })

  test.each<[string, Partial<Route['steps']>]>([
    ['does not verify', { identify: () => Promise.reject(new ExchangeError('invalid_request', 'token_expired')) }],
    [
      'comes too often',
      {
        takeRate: () => {
          throw new ExchangeError('slow_down', 'rate_limited')
        },
      },
    ],
  ])('a token that %s is counted under the id that its caller was given, and costs no record', async (_, changed) => {
    const route = openRoute()
    const steps = { ...route.steps, ...changed, targets: { find: () => Promise.reject(new Error('nobody looks')) } }
    const error = await exchange(asked(), steps).catch((thrown: unknown) => thrown)
    if (!(error instanceof ExchangeError)) throw error
    expect(route.counted).toEqual([`decision-1 ${error.reason}`])
    expect(['token_expired', 'rate_limited']).toContain(error.reason)
    expect(route.events).toEqual([])
  })

  test('issuers that are slow one after the other take no longer than the exchange may: 503, counted, nothing else done', async () => {
    const route = openRoute()
    const ending = new AbortController()
    const waiting = failureOf(
      { ...route, steps: { ...route.steps, identify: never } },
      { ...asked(), signal: ending.signal },
    )
    ending.abort()
    expect(await waiting).toMatchObject({ code: 'temporarily_unavailable', reason: 'deadline' })
    expect(route.counted).toEqual(['decision-1 deadline'])
    expect(route.events).toEqual([])
  })

  test('a bug while verifying is counted as one, and thrown as it is', async () => {
    const route = openRoute()
    const bug = new TypeError('x is not a function')
    await expect(exchange(asked(), { ...route.steps, identify: () => Promise.reject(bug) })).rejects.toBe(bug)
    expect(route.counted).toEqual(['decision-1 internal'])
    expect(route.events).toEqual([])
  })
})

describe('who acts, and from where', () => {
  const apiManagement: Workload = {
    issuer: { id: 'entra', kind: 'entra', labels: {} },
    subject: 'api-management',
    claims: {},
    token: { keyId: 'key-1', issuedAt: 1, expiresAt: 2 },
  }
  const callers = (actor?: Workload) => async () => ({ workload: paymentsApi, ...(actor && { actor }) })

  test("the record and the lease's account are of both: with an actor it is another lease than without", async () => {
    const route = openRoute()
    const alone = await issuedBy(route)
    const steps = { ...route.steps, identify: callers(apiManagement) }
    const together = await issuedBy({ ...route, steps })
    expect(route.entries.map(({ actor }) => actor)).toEqual([undefined, apiManagement])
    expect(together.lease).not.toBe(alone.lease)
  })

  test('a forwarded address counts only where the actor may forward', async () => {
    const other = { ...apiManagement, subject: 'somebody' }
    const rows: readonly [Workload | undefined, object][] = [
      [undefined, { address: '192.0.2.7', provenance: 'direct' }],
      [other, { address: '192.0.2.7', provenance: 'direct' }],
      [apiManagement, { address: '198.51.100.9', provenance: 'forwarded' }],
    ]
    for (const [actor, client] of rows) {
      const route = openRoute()
      await issuedBy({ ...route, steps: { ...route.steps, identify: callers(actor) } })
      expect(route.entries[0]?.client).toEqual(client)
    }
  })
})

describe('a lockdown', () => {
  const lockdown = { schema: 1, id: 'incident-7', reason: 'stolen', revokeLeases: false } as const

  test.each<[string, Lockdown['blocks']]>([
    ['everything', 'everything'],
    ['the workload', { namespace: 'payments' }],
    ['the target', { target: 'orders-db' }],
    ['the rule that allows', { rule: 'payments-reads' }],
  ])('of %s stands above the rule that allows: the answer is that of an unknown target', async (_, blocked) => {
    const route = openRoute()
    route.lockdowns.push({ ...lockdown, blocks: blocked })
    expect(await refusedBy(route)).toEqual(await refusedBy(openRoute(), asked('nowhere')))
    expect(route.entries).toMatchObject([
      { outcome: 'denied', code: 'invalid_target', reason: 'locked_down', detail: { lockdown: 'incident-7' } },
    ])
    expect(route.events).toEqual(['record denied'])
    expect(route.store.leases.size).toBe(0)
  })

  test('of somebody else, or of a rule that did not decide, bars nobody', async () => {
    const route = openRoute()
    for (const blocked of [{ namespace: 'billing' }, { rule: 'another' }, { target: 'mainframe' }]) {
      route.lockdowns.push({ ...lockdown, blocks: blocked })
    }
    await issuedBy(route)
  })

  test('that cannot be looked up is 503, and nothing is issued', async () => {
    const route = openRoute()
    const lockdowns = { find: () => Promise.reject(unavailable('snapshot_stale')) }
    await expect(exchange(asked(), { ...route.steps, lockdowns })).rejects.toMatchObject({ reason: 'snapshot_stale' })
    expect(route.events).toEqual(['record failed'])
  })
})

test('a lease holds what its target says of the sessions that are there when it expires', async () => {
  const route = openRoute()
  await issuedBy(route)
  expect(route.store.only().onExpiry).toBe('finish-transactions')
})
