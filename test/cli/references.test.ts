import { describe, expect, test } from 'vitest'
import type { Change } from '../../infra/cli/changes.ts'
import { type Content, kinds, pathOf } from '../../infra/cli/kinds.ts'
import { waitsFor } from '../../infra/cli/references.ts'

function created(plural: string, content: Content): Change {
  const kind = kinds.find(each => each.plural === plural)
  if (!kind) throw new Error(`there is no kind ${plural}`)
  return { kind, path: pathOf(kind, content), content, action: 'create' }
}

const rule = created('rules', {
  id: 'reports',
  target: 'archive',
  scopes: ['login'],
  workloads: [{ issuer: 'cluster-b', namespace: 'archive', actor: { issuer: 'cluster-z', subject: 's' } }],
  conditions: { time: [{ notOn: ['holidays'] }] },
  whenDenied: 'ask',
})
const issuer = created('issuers', { id: 'cluster-b', actors: [{ issuer: 'cluster-z', subject: 's' }] })

describe('a refused change waits for an earlier one', () => {
  test.each<[string, Change, string, Change]>([
    ['its target', rule, '/target', created('targets', { id: 'archive' })],
    ["its target's scopes", rule, '/scopes/0', created('targets', { id: 'archive' })],
    ["its workload's issuer", rule, '/workloads', created('issuers', { id: 'cluster-b' })],
    ["its actor's issuer", rule, '/workloads', created('issuers', { id: 'cluster-z' })],
    ['its calendar', rule, '/conditions/time', created('calendars', { id: 'holidays' })],
    ['its actor', issuer, '/actors/0/issuer', created('issuers', { id: 'cluster-z' })],
  ])('that makes %s', (_, change, pointer, earlier) => {
    expect(waitsFor(change, [pointer], [earlier])).toBe(earlier.path)
  })
})

describe('a refused change waits for nothing', () => {
  test.each<[string, Change, readonly string[], Change]>([
    [
      'where another document has an id that it only mentions',
      rule,
      ['/whenDenied'],
      created('targets', { id: 'ask' }),
    ],
    ['where a namespace is called as a target', rule, ['/workloads'], created('targets', { id: 'archive' })],
    ['where a document of another kind has that id', rule, ['/target'], created('calendars', { id: 'archive' })],
    ['where something else is wrong as well', rule, ['/target', '/effect'], created('targets', { id: 'archive' })],
    ['where nobody says what is wrong', rule, [], created('targets', { id: 'archive' })],
    ['where a member only begins alike', rule, ['/targets'], created('targets', { id: 'archive' })],
  ])('%s', (_, change, wrongAt, earlier) => {
    expect(waitsFor(change, wrongAt, [earlier])).toBe(undefined)
  })

  test('where it is not to be read at all', () => {
    const nonsense = created('rules', { id: 'a', target: 1, workloads: 'all', conditions: [], actors: {} })
    expect(waitsFor(nonsense, ['/workloads'], [created('issuers', { id: 'all' })])).toBe(undefined)
  })
})
