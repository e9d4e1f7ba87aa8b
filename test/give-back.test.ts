import { inspect } from 'node:util'
import { beforeEach, describe, expect, test } from 'vitest'
import type { DecisionEntry } from '../shared/decisions/record.ts'
import { ExchangeError, unavailable } from '../shared/errors.ts'
import { giveBack } from '../shared/give-back.ts'
import type { HeldLease, Leases } from '../shared/leases/hold-lease.ts'
import type { SlotIdentity } from '../shared/leases/slot.ts'
import type { TakeRate } from '../shared/workload/rate-limit.ts'
import type { Workload } from '../shared/workload/workload.ts'
import { instanceOn, type LeaseMemory, leaseMemory, requestOf } from './leases/lease-store.ts'
import { noon, paymentsApi } from './rules/facts.ts'

const assertion = 'its.token.signed'
const actorAssertion = 'its.actor.signed'
const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

let store: LeaseMemory
let leases: Leases
let entries: DecisionEntry[]
/** Happens before a record is durable: a log that fails, or a look at what has been done so far. */
let whileWriting: () => void
let workload: Workload
/** The workload's issuer counts only with an actor. */
let demandsActor: boolean
/** What was counted and not recorded. */
let counted: string[]
let takeRate: TakeRate

beforeEach(() => {
  demandsActor = false
  counted = []
  takeRate = () => {}
  store = leaseMemory()
  leases = instanceOn(store, { time: noon })
  entries = []
  whileWriting = () => {}
  workload = paymentsApi
})

async function held(overrides: Partial<SlotIdentity> = {}): Promise<HeldLease> {
  const lease = await leases.hold(requestOf(overrides), 'decision-1')
  await leases.activate(lease)
  return lease
}

function formOf(token: string, changed: Readonly<Record<string, string>> = {}): string {
  const form = { token, client_assertion_type: assertionType, client_assertion: assertion, ...changed }
  return new URLSearchParams(form).toString()
}

function give(form: string): Promise<void> {
  const client = { peer: '192.0.2.7:50000', forwarded: undefined }
  return giveBack(
    { form, decision: 'decision-2', client },
    {
      async identify({ subjectToken, actorToken }) {
        if (subjectToken !== assertion) throw new ExchangeError('invalid_request', 'token_malformed')
        if (demandsActor && actorToken !== actorAssertion) throw new ExchangeError('invalid_request', 'actor_missing')
        return { workload }
      },
      takeRate: taken => takeRate(taken),
      clientOf: ({ peer = '' }) => ({ address: peer.split(':')[0] ?? '', provenance: 'direct' }),
      count: (decision, { reason }) => void counted.push(`${decision} ${reason}`),
      leases,
      decisions: {
        async write(entry) {
          entries.push(entry)
          await new Promise(setImmediate)
          whileWriting()
          return { stream: 'hour/boot/0', id: String(entries.length) }
        },
      },
    },
  )
}

describe('a workload gives back its own lease', () => {
  test.each<[string, (lease: HeldLease) => string]>([
    ['its id', ({ stored }) => stored.lease.id],
    ['its secret', ({ secret }) => secret.reveal()],
  ])('by %s: it is recorded, then due at once, and no secret is in the record', async (_, tokenOf) => {
    const lease = await held()
    const { id, target, account } = lease.stored.lease
    await give(formOf(tokenOf(lease)))
    expect(store.only()).toMatchObject({ state: 'revoking', cause: 'released', dueAt: new Date(noon).toISOString() })
    expect(entries).toEqual([
      {
        kind: 'revocation',
        decision: 'decision-2',
        outcome: 'requested',
        lease: { id, target, account },
        workload,
        client: { address: '192.0.2.7', provenance: 'direct' },
      },
    ])
    const written = JSON.stringify(entries) + inspect(entries, { depth: 9 })
    expect(written).not.toContain(lease.secret.reveal())
    expect(written).not.toContain(assertion)
  })

  test('record first: while it is being written the lease is live', async () => {
    const lease = await held()
    let state: string | undefined
    whileWriting = () => {
      state = store.only().state
    }
    await give(formOf(lease.stored.lease.id))
    expect(state).toBe('active')
  })

  test('record first: where it cannot be written, the lease stays, and the answer is 503', async () => {
    const lease = await held()
    whileWriting = () => {
      throw unavailable('record_unavailable')
    }
    await expect(give(formOf(lease.stored.lease.id))).rejects.toMatchObject({
      code: 'temporarily_unavailable',
      reason: 'record_unavailable',
    })
    expect(store.only().state).toBe('active')
  })

  test('and is told 503 where the lease changed meanwhile', async () => {
    const lease = await held()
    whileWriting = () => void store.put(store.only())
    await expect(give(formOf(lease.stored.lease.id))).rejects.toMatchObject({ reason: 'lease_lost' })
  })

  test('that its pods share: it is kept for the others, and recorded as kept', async () => {
    const lease = await held({ share: 'workload' })
    workload = { ...paymentsApi, pod: { name: 'api-2', uid: 'uid-of-pod-2' } }
    await give(formOf(lease.secret.reveal()))
    expect(store.only().state).toBe('active')
    expect(entries).toMatchObject([{ outcome: 'kept', lease: { id: lease.stored.lease.id }, workload }])
  })
})

describe('passed over without a word and without a record', () => {
  test.each<[string, Partial<Workload>]>([
    ["another pod's", { pod: { name: 'api-2', uid: 'uid-of-pod-2' } }],
    ["another workload's", { subject: 'system:serviceaccount:billing:batch' }],
    ["another cluster's", { issuer: { ...paymentsApi.issuer, id: 'aks-dev' } }],
  ])('a lease that is %s, by its id and by its secret', async (_, changed) => {
    const lease = await held()
    workload = { ...paymentsApi, ...changed }
    for (const token of [lease.stored.lease.id, lease.secret.reveal()]) await give(formOf(token))
    expect(entries).toEqual([])
    expect(store.only().state).toBe('active')
  })

  test.each(['nothing-of-ours', `${'0'.repeat(64)}.0`, '../leases'])('a token that nobody knows: %s', async token => {
    await held()
    await give(formOf(token))
    expect(entries).toEqual([])
    expect(store.only().state).toBe('active')
  })
})

describe('refused', () => {
  test.each<[string, Readonly<Record<string, string>>]>([
    ['without a token', { token: '' }],
    ['with a token of 16,385 characters', { token: 'x'.repeat(16_385) }],
    ['without who asks', { client_assertion: '' }],
    ['with another kind of assertion', { client_assertion_type: 'urn:x' }],
  ])('a form %s', async (_, changed) => {
    await expect(give(formOf('x', changed))).rejects.toMatchObject({
      code: 'client_assertion' in changed || 'client_assertion_type' in changed ? 'invalid_client' : 'invalid_request',
      reason: 'malformed_request',
    })
    expect({ asked: store.asked, counted }).toEqual({ asked: [], counted: ['decision-2 malformed_request'] })
  })

  test('whoever is nobody, before anything is looked for', async () => {
    const lease = await held()
    store.asked.length = 0
    const form = formOf(lease.stored.lease.id, { client_assertion: 'forged' })
    await expect(give(form)).rejects.toMatchObject({ reason: 'token_malformed' })
    expect({ asked: store.asked, counted }).toEqual({ asked: [], counted: ['decision-2 token_malformed'] })
    expect(store.only().state).toBe('active')
  })
  test('whoever comes without the actor that its issuer demands, and not with it', async () => {
    const lease = await held()
    demandsActor = true
    store.asked.length = 0
    await expect(give(formOf(lease.stored.lease.id))).rejects.toMatchObject({ reason: 'actor_missing' })
    expect(store.asked).toEqual([])
    await give(formOf(lease.stored.lease.id, { actor_token: actorAssertion }))
    expect(store.only().state).toBe('revoking')
  })

  test('whoever comes too often, before anything is looked for', async () => {
    const lease = await held()
    const taken: Workload[] = []
    takeRate = who => {
      taken.push(who)
      throw new ExchangeError('slow_down', 'rate_limited', { retryAfter: 1 })
    }
    store.asked.length = 0
    await expect(give(formOf(lease.stored.lease.id))).rejects.toMatchObject({ code: 'slow_down' })
    expect({ taken, asked: store.asked, entries }).toEqual({ taken: [workload], asked: [], entries: [] })
    expect(counted).toEqual(['decision-2 rate_limited'])
  })
})
