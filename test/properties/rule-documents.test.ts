import type { Container } from '@azure/cosmos'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { withoutSystemProperties } from '../../shared/document.ts'
import { cosmosRules } from '../../shared/rules/cosmos-rules.ts'
import { decide } from '../../shared/rules/decide.ts'
import { compileRules, parseRule } from '../../shared/rules/ruleset.ts'
import { type StandIn, startStandIn } from '../conformance/cosmos/stand-in.ts'
import { allow, factsOf } from '../rules/facts.ts'
import { scenario } from './rule-arbitraries.ts'
import { storedDocument } from './rule-document-arbitraries.ts'

/** Runs of each property. The seed is fixed; a failure prints it with the path to the smallest case. */
const runs = { numRuns: 600, seed: 503 }

const stored = (content: unknown) => ({ content, version: '1' })
const isAccepted = (document: unknown) => 'rule' in parseRule(document)
const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null
const isGuardrail = (document: unknown) => isObject(document) && 'target' in document && document.target === '*'

test('the documents are worth storing: many are acceptable, and many are not', () => {
  const documents = fc.sample(storedDocument, runs)
  for (const kind of [isGuardrail, (one: unknown) => !isGuardrail(one)]) {
    const [accepted, refused] = [documents.filter(isAccepted), documents.filter(one => !isAccepted(one))]
    expect(accepted.filter(kind).length).toBeGreaterThan(50)
    expect(refused.filter(kind).length).toBeGreaterThan(50)
  }
})

test('a document that is accepted never makes a target unavailable, even as a guardrail, alone or beside others', () => {
  fc.assert(
    fc.property(storedDocument.filter(isAccepted), scenario, (document, { documents, calendars, facts }) => {
      const own = compileRules(documents.filter(one => !isGuardrail(one)).map(stored))
      const others = documents.filter(isGuardrail)
      for (const contents of [[document], [document, ...others], [...others, document]]) {
        const guardrails = compileRules(contents.map(stored))
        expect(guardrails.unreadable).toEqual([])
        expect(decide({ own, guardrails, calendars }, facts)).not.toMatchObject({ reason: 'rule_unreadable' })
      }
    }),
    runs,
  )
})

test('a partition that holds a document that is not accepted decides nothing but denials, and throws nothing', () => {
  fc.assert(
    fc.property(storedDocument, scenario, (document, { documents, calendars, facts }) => {
      const own = compileRules([...documents.filter(one => !isGuardrail(one)), document].map(stored))
      const guardrails = compileRules(documents.filter(isGuardrail).map(stored))
      expect(own.unreadable.length).toBe(isAccepted(document) ? 0 : 1)
      const decision = decide({ own, guardrails, calendars }, facts)
      if (!isAccepted(document)) expect(decision).toMatchObject({ outcome: 'denied', reason: 'rule_unreadable' })
    }),
    runs,
  )
})

describe('among stored documents', () => {
  let standIn: StandIn
  let container: Container

  beforeAll(async () => {
    standIn = await startStandIn({ containers: [{ id: 'rules', partitionKey: '/target', defaultTtl: -1 }] })
    container = standIn.database('token-of-operator').container('rules')
    await container.items.create(allow('payments-reads'))
  })
  afterAll(() => standIn?.stop())

  test('one that is not accepted makes its own target unavailable, and no other', async () => {
    let changed = (_: Readonly<Record<string, unknown>>) => {}
    const rules = cosmosRules({
      container,
      calendars: async () => new Map(),
      follow: onChange => {
        changed = onChange
        return { ensureFresh: async () => {}, stop: () => {} }
      },
    })
    const refused = storedDocument
      .map(document => ({ ...(isObject(document) && document), id: 'refused', target: 'mainframe' }))
      .filter(document => !isAccepted(withoutSystemProperties(document)))
    await fc.assert(
      fc.asyncProperty(refused, async document => {
        await container.items.upsert(document)
        for (const target of ['mainframe', 'orders-db', '*']) changed({ target })
        const [its, other] = await Promise.all([rules.of('mainframe'), rules.of('orders-db')])
        expect(decide(its, factsOf())).toMatchObject({ reason: 'rule_unreadable' })
        expect(decide(other, factsOf())).toMatchObject({ outcome: 'allowed', rules: [{ id: 'payments-reads' }] })
      }),
      { ...runs, numRuns: 200 },
    )
  })
})
