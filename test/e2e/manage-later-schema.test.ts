import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { expectRefused } from '../attacks/refusal.ts'
import { type Answer, type Document, type RunningStack, runStack } from '../running-stack.ts'
import { until } from './until.ts'

let stack: RunningStack

beforeAll(async () => {
  stack = await runStack()
  await stack.addTarget({ id: 'orders-later', like: 'orders-db', scopes: ['read'] })
})
afterEach(async () => expect(await stack.leaks()).toEqual([]))
afterAll(() => stack?.stop())

const exchange = (audience: string) => () => stack.exchange({ audience, scope: 'read' })
const isIssued = ({ status }: Answer) => status === 200
const isRefused = ({ status }: Answer) => status !== 200
const outage = { status: 503, error: 'temporarily_unavailable', retryAfter: true, recorded: 'denied' } as const

/** A document of a schema that this gateway does not know, as the `manage` of a later release would save it. */
const later = (document: Document = {}) => ({ ...document, schema: 2, knownLater: true })

/** What becomes of an exchange while a document is of a later schema. It is put back as it was. */
async function whileLater(container: string, [id, partition]: readonly [string, string], run: () => Promise<void>) {
  const item = stack.documents.container(container).item(id, partition)
  const { resource } = await item.read<Document>()
  await item.replace(later(resource))
  try {
    await run()
  } finally {
    await item.replace(resource ?? {})
  }
}

/** The same while there is one rule more. */
async function whileThereIs(rule: Document & { readonly id: string }, run: () => Promise<void>): Promise<void> {
  const { items } = stack.documents.container('rules')
  await items.upsert(later(rule))
  try {
    await run()
  } finally {
    await items.upsert({ ...rule, deleted: true, ttl: 3_600 })
  }
}

describe('what a later manage saved is never passed over by an older exchange: it issues nothing', () => {
  const nobody = [{ issuer: '*', namespace: 'nobody' }]

  test('of a target that it cannot read: 503, and other targets are issued', async () => {
    await until(exchange('orders-later'), isIssued)
    await whileLater('targets', ['orders-later', 'orders-later'], async () => {
      const refused = await until(exchange('orders-later'), isRefused)
      await expectRefused(stack, refused, { ...outage, reason: 'target_unreadable' })
      expect(await exchange('orders-db')()).toMatchObject({ status: 200 })
    })
    await until(exchange('orders-later'), isIssued)
  })

  test('of a target with such a rule beside the allow: 503, since it may be a deny; other targets are issued', async () => {
    await until(exchange('orders-later'), isIssued)
    await whileThereIs({ id: 'later', target: 'orders-later', effect: 'deny', workloads: nobody }, async () => {
      const refused = await until(exchange('orders-later'), isRefused)
      await expectRefused(stack, refused, { ...outage, reason: 'rule_unreadable' })
      expect(await exchange('orders-db')()).toMatchObject({ status: 200 })
    })
    await until(exchange('orders-later'), isIssued)
  })

  test('to a workload that only such a rule may be about: the target is as good as unknown, and the log says why', async () => {
    await until(exchange('orders-later'), isIssued)
    await whileLater('rules', ['allow-orders-later', 'orders-later'], async () => {
      const refused = await until(exchange('orders-later'), isRefused)
      const denied = { status: 400, error: 'invalid_target', recorded: 'denied' } as const
      await expectRefused(stack, refused, { ...denied, reason: 'rule_unreadable' })
    })
    await until(exchange('orders-later'), isIssued)
  })

  test('of any target under such a guardrail: 503, since it is about all of them', async () => {
    await Promise.all(['orders-db', 'orders-later'].map(target => until(exchange(target), isIssued)))
    await whileThereIs({ id: 'later', target: '*', effect: 'deny', workloads: nobody }, async () => {
      for (const target of ['orders-db', 'orders-later']) {
        const refused = await until(exchange(target), isRefused)
        await expectRefused(stack, refused, { ...outage, reason: 'rule_unreadable' })
      }
    })
    await until(exchange('orders-db'), isIssued)
  })

  test('to the tokens of such an issuer: 503, whatever they ask for', async () => {
    await until(exchange('orders-db'), isIssued)
    await whileLater('issuers', ['aks-local', 'aks-local'], async () => {
      const refused = await until(exchange('orders-db'), isRefused)
      await expectRefused(stack, refused, { ...outage, reason: 'issuer_unreadable', recorded: 'unverified' })
    })
    await until(exchange('orders-db'), isIssued)
  })

  test('to anybody under such a lockdown, since nobody can tell whom it blocks', async () => {
    const { items } = stack.documents.container('lockdowns')
    const lockdown = { id: 'later', blocks: { namespace: 'nobody' }, reason: 'incident 42' }
    await items.upsert(later(lockdown))
    const refused = await until(exchange('orders-db'), isRefused)
    const denied = { status: 400, error: 'invalid_target', recorded: 'denied' } as const
    await expectRefused(stack, refused, { ...denied, reason: 'locked_down' })
    await items.upsert({ ...lockdown, schema: 1 })
    await until(exchange('orders-db'), isIssued)
  })
})
