import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import {
  type Answer,
  type DecisionRecord,
  type Document,
  type PodName,
  type RunningStack,
  runStack,
} from '../running-stack.ts'
import { type Key, newKey, orders, partsOf } from './hostile.ts'

/*
 * 8, 53, 55: cheap requests cost no write each, nobody is asked for keys again and again, and good callers are served.
 * Counts are written once a minute here, so that what a flood writes cannot hide among them. That single structures are
 * bounded is told beside them, in test/workload/ and test/decisions/refusal-counts.test.ts.
 */

/** Exchanges a second of one workload: its bucket holds five times as many. */
const rate = 4

let stack: RunningStack
let key: Key

beforeAll(async () => {
  stack = await runStack({ settings: { CAUSEWAY_COUNT_INTERVAL: 'PT1M', CAUSEWAY_WORKLOAD_RATE: String(rate) } })
  key = newKey('mine')
  await stack.issue(orders)
})
afterEach(async () => expect(await stack.leaks()).toEqual([]))
afterAll(() => stack?.stop())

/** Sends so many exchanges, 32 at a time. */
async function flood(
  size: number,
  formOf: (index: number) => Promise<Record<string, string>>,
): Promise<readonly Answer[]> {
  const answers: Answer[] = []
  let next = 0
  const caller = async () => {
    for (let index = next++; index < size; index = next++) answers.push(await stack.exchange(await formOf(index)))
  }
  await Promise.all(Array.from({ length: 32 }, caller))
  return answers
}

/** A caller of good will, a pod of its own, who asks as long as the flood lasts and no more often than its rate allows. */
async function goodCalls(during: Promise<unknown>): Promise<readonly number[]> {
  const subject_token = await goodToken()
  const statuses: number[] = []
  let over = false
  const end = during.finally(() => {
    over = true
  })
  for (let call = 0; call < rate * 5 && !(over && call > 0); call++) {
    statuses.push((await stack.exchange({ ...orders, subject_token })).status)
  }
  await end
  return statuses
}

/** A token of a pod that nobody saw before: its bucket is full. */
async function goodToken(like: PodName = 'payments/api'): Promise<string> {
  const { claims } = partsOf(await stack.podToken(like))
  const pod = { name: 'fresh', uid: randomUUID() }
  return stack.cluster.sign({ ...claims, 'kubernetes.io': { ...(claims['kubernetes.io'] as Document), pod } })
}

const documents = async () => (await stack.records()).length
const countsOf = (records: readonly DecisionRecord[]) => records.filter(({ kind }) => kind === 'count')
/** By what it must be counted as, all that the floods were answered so far: a test that runs again floods again. */
const sent = new Map<string, number>()
const addSent = (kind: string, { length }: readonly unknown[]) => void sent.set(kind, (sent.get(kind) ?? 0) + length)

interface Row {
  readonly name: string
  readonly kind: string
  readonly size: number
  /** Makes the forms; what is costly is done once. */
  readonly prepare: () => Promise<(index: number) => Promise<Record<string, string>>>
}

const claimsOfPod = async () => partsOf(await stack.podToken()).claims

const rows: readonly Row[] = [
  {
    name: 'garbage',
    kind: 'unknown token_malformed',
    size: 600,
    prepare: async () => async index => ({ ...orders, subject_token: `garbage.${index}.${'x'.repeat(index)}.` }),
  },
  {
    name: 'forms that are none',
    kind: 'unknown malformed_request',
    size: 300,
    prepare: async () => async index => ({ subject_token: `${index}`, grant_type: '' }),
  },
  {
    name: 'tokens of issuers that nobody registered, each of another',
    kind: 'unknown issuer_unknown',
    size: 600,
    prepare: async () => {
      const claims = await claimsOfPod()
      return async index => ({
        ...orders,
        subject_token: key.sign({ ...claims, iss: `https://issuer-${index}.example/` }),
      })
    },
  },
  {
    name: 'bad signatures',
    kind: 'aks-local token_signature',
    size: 600,
    prepare: async () => {
      const token = await stack.podToken()
      const { header, claims, signature } = partsOf(token)
      return async index => {
        const payload = Buffer.from(JSON.stringify({ ...claims, jti: `jti-${index}` })).toString('base64url')
        return { ...orders, subject_token: `${header}.${payload}.${signature}` }
      }
    },
  },
]

describe('a flood', () => {
  test.each(rows)(
    'of $name costs neither a write nor a line nor a request each, and good callers are served',
    async row => {
      const formOf = await row.prepare()
      const before = { documents: await documents(), lines: stack.output.length, keys: stack.cluster.jwksRequests }
      const flooding = flood(row.size, formOf)
      const good = await goodCalls(flooding)
      const answers = await flooding
      addSent(row.kind, answers)
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([400]))
      expect(new Set(good)).toEqual(new Set([200]))
      // Each good call has its record; beside them at most one count of each kind, if a minute ended meanwhile.
      const written = (await documents()) - before.documents - good.length
      expect(written).toBeLessThanOrEqual(sent.size)
      expect(stack.output.length - before.lines - good.length).toBeLessThanOrEqual(sent.size)
      expect(stack.cluster.jwksRequests).toBe(before.keys)
    },
  )

  test('8: of unknown key ids asks the issuer at most once in half a minute, however many there are', async () => {
    const claims = await claimsOfPod()
    const before = { documents: await documents(), keys: stack.cluster.jwksRequests, at: performance.now() }
    const flooding = flood(600, async index => ({
      ...orders,
      subject_token: key.sign(claims, { kid: `kid-${index}` }),
    }))
    const good = await goodCalls(flooding)
    const answers = await flooding
    addSent('aks-local token_key_unknown', answers)
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([400]))
    expect(new Set(good)).toEqual(new Set([200]))
    const halfMinutes = Math.ceil((performance.now() - before.at) / 30_000)
    expect(stack.cluster.jwksRequests - before.keys).toBeLessThanOrEqual(halfMinutes)
    expect((await documents()) - before.documents - good.length).toBeLessThanOrEqual(sent.size)
  })

  test('of good tokens with random targets is let in at its rate: what is beyond it costs no record each', async () => {
    const subject_token = await goodToken('billing/batch')
    const before = await documents()
    const flooding = flood(600, async index => ({ audience: `target-${index}-${randomUUID()}`, subject_token }))
    const good = await goodCalls(flooding)
    const answers = await flooding
    const limited = answers.filter(({ status }) => status === 429)
    addSent('aks-local rate_limited', limited)
    const looked = answers.filter(({ status }) => status === 400)
    expect(limited.length + looked.length).toBe(600)
    expect(limited.length).toBeGreaterThan(0)
    expect(looked.length).toBeGreaterThanOrEqual(rate * 5)
    for (const { headers, body } of limited) {
      expect({ error: body['error'], retry: headers.get('retry-after') }).toEqual({ error: 'slow_down', retry: '1' })
    }
    for (const { body } of looked) expect(body['error']).toBe('invalid_target')
    expect(new Set(good)).toEqual(new Set([200]))
    const ids = new Set(looked.map(({ body }) => body['decision_id']))
    const unknown = (await stack.records()).filter(({ decision }) => ids.has(decision))
    expect(unknown.map(({ reason }) => reason)).toEqual(looked.map(() => 'target_unknown'))
    const counts = (await documents()) - before - good.length - looked.length
    expect(counts).toBeLessThanOrEqual(sent.size)
  })

  test('of revocations is counted too, and ends nothing', async () => {
    const before = await documents()
    const client_assertion_type = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
    const statuses = await Promise.all(
      Array.from({ length: 200 }, async (_, index) => {
        const body = new URLSearchParams({ token: `${index}`, client_assertion_type, client_assertion: `x${index}` })
        return (await fetch(`${stack.gateway.url}/revoke`, { method: 'POST', body })).status
      }),
    )
    addSent('unknown token_malformed', statuses)
    expect(new Set(statuses)).toEqual(new Set([400]))
    expect((await documents()) - before).toBeLessThanOrEqual(sent.size)
  })
})

test('what every flood came to is counted to the last one, with five samples at most, once the gateway stops', async () => {
  await stack.gateway.stop()
  const counts = countsOf(await stack.records())
  const totals = new Map<string, number>()
  for (const { issuer, reason, count, samples } of counts) {
    const kind = `${String(issuer)} ${String(reason)}`
    totals.set(kind, (totals.get(kind) ?? 0) + Number(count))
    expect((samples as Document[]).length).toBe(Math.min(5, Number(count)))
  }
  expect(totals).toEqual(sent)
  // A minute ended a few times at most while these tests ran: a write each of some thousand requests would be seen.
  expect(counts.length).toBeLessThanOrEqual(sent.size * 10)
})
