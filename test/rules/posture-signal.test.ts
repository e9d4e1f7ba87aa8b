import { describe, expect, test } from 'vitest'
import { type Json, type PostureKind, postureKinds } from '../../shared/rules/facts.ts'
import { postureKey, postureOf, readSignal, signalDocument } from '../../shared/rules/posture-signal.ts'
import type { Workload } from '../../shared/workload/workload.ts'
import { paymentsApi } from './facts.ts'

const observation = { observedAt: '2026-06-01T11:55:00Z', expiresAt: '2026-06-01T13:00:00Z' }
const document = {
  schema: 1,
  id: 'defender',
  of: 'cluster/aks-prod-weu',
  ...observation,
  value: { unhealthyHigh: 0 },
}
const namedPod = 'pod/aks-prod-weu/payments/api-7d9c6b5f4-x2x7k'

/** The facts that documents give that were asked for, all of them of one kind. */
function factsOf(of: PostureKind, documents: readonly object[], workload = paymentsApi) {
  const observed = documents.map(stored => ({ of, document: signalDocument.parse(stored) }))
  return postureOf(observed, workload)[of] ?? {}
}

const isSignal = (changes: object) => signalDocument.safeParse({ ...document, ...changes }).success
const isValue = (value: unknown) => isSignal({ value })

describe('the key of what is observed', () => {
  test.each<[PostureKind, string]>([
    ['cluster', 'cluster/aks-prod-weu'],
    ['namespace', 'namespace/aks-prod-weu/payments'],
    ['node', 'node/aks-prod-weu/aks-pool1-vmss000000'],
    ['serviceAccount', 'serviceAccount/aks-prod-weu/payments/api'],
    ['pod', namedPod],
  ])('of kind %s is %s', (kind, key) => {
    expect(postureKey(kind, paymentsApi)).toBe(key)
    expect(isSignal({ of: key })).toBe(true)
  })

  test('cannot be made another by a name with a slash in it', () => {
    const named = { ...paymentsApi, namespace: 'payments/api%', pod: { name: 'x' } }
    expect(postureKey('pod', named)).toBe('pod/aks-prod-weu/payments%2Fapi%25/x')
    expect(isSignal({ of: postureKey('pod', named) })).toBe(true)
  })

  test('is not there where the token does not tell', () => {
    const { issuer, subject, claims, token, ...told } = paymentsApi
    const nothing = { issuer, subject, claims, token }
    const keysOf = (workload: Workload) => postureKinds.filter(kind => postureKey(kind, workload) !== undefined)
    expect(keysOf(nothing)).toEqual(['cluster'])
    expect(keysOf({ ...nothing, pod: told.pod, serviceAccount: told.serviceAccount } as Workload)).toEqual(['cluster'])
    expect(keysOf({ ...nothing, namespace: 'payments' })).toEqual(['cluster', 'namespace'])
    expect(keysOf({ ...nothing, node: { name: 'x' } })).toEqual(['cluster', 'node'])
  })
})

describe('a signal as it is stored', () => {
  test('has a name, a key, two instants, a value, and may have a uid', () => {
    expect(isSignal({})).toBe(true)
    expect(isSignal({ uid: 'uid-of-pod' })).toBe(true)
  })

  test('is read without what Cosmos DB adds', () => {
    expect(readSignal({ ...document, _etag: '"1"', _ts: 1_800_000_000 })).toEqual(document)
  })

  test('is read of no document, of no tombstone and of none that is not in order', () => {
    expect(readSignal(undefined)).toBeUndefined()
    expect(readSignal({ id: 'gone', of: document.of, deleted: true })).toBeUndefined()
    expect(readSignal({ ...document, schema: 2 })).toBeUndefined()
  })

  test.each<[string, object]>([
    ['of another schema', { schema: 2 }],
    ['with a member that nobody knows', { validUntil: observation.expiresAt }],
    ['with a name that is no id', { id: '__proto__' }],
    ['observed on a day and at no time', { observedAt: '2026-06-01' }],
    ['observed at a local time', { observedAt: '2026-06-01T11:55:00+02:00' }],
    ['that never expires', { expiresAt: undefined }],
    ['with an empty uid', { uid: '' }],
    ['without a value', { value: undefined }],
    ['of no kind', { of: 'aks-prod-weu' }],
    ['of a kind that nobody knows', { of: 'clusters/aks-prod-weu' }],
    ['of what every object has', { of: 'constructor/aks-prod-weu' }],
    ['with a name too few', { of: 'pod/aks-prod-weu/payments' }],
    ['with a name too many', { of: 'cluster/aks-prod-weu/payments' }],
    ['with an empty name', { of: 'namespace/aks-prod-weu/' }],
    ['with a name that is not encoded', { of: 'namespace/aks-prod-weu/pay ments' }],
    ['with a name encoded in another way', { of: 'namespace/aks-prod-weu/%70ayments' }],
    ['with a name that is badly encoded', { of: 'namespace/aks-prod-weu/%zz' }],
  ])('%s is none', (_, changes) => {
    expect(isSignal(changes)).toBe(false)
  })
})

describe('the value of a signal', () => {
  test.each<[Json]>([[null], [0], [false], ['healthy'], [[]], [{}], [{ a: [{ b: ['c'] }] }]])('may be %j', value => {
    expect(signalDocument.parse({ ...document, value }).value).toEqual(value)
  })

  test('has four levels at most, of lists as of members', () => {
    expect(isValue([[[[1]]]])).toBe(true)
    expect(isValue([[[[[]]]]])).toBe(false)
    expect(isValue({ a: { b: { c: { d: 1 } } } })).toBe(true)
    expect(isValue({ a: { b: { c: { d: {} } } } })).toBe(false)
  })

  test('has 512 bytes at most as JSON, quotes and all', () => {
    expect(isValue('x'.repeat(510))).toBe(true)
    expect(isValue('x'.repeat(511))).toBe(false)
    expect(isValue('ü'.repeat(255))).toBe(true)
    expect(isValue('ü'.repeat(256))).toBe(false)
  })

  test.each(['__proto__', 'constructor', 'prototype'])('has no member called %s, however deep', name => {
    const value = JSON.parse(`{ "${name}": 1 }`)
    expect(isValue(value)).toBe(false)
    expect(isValue([{ a: value }])).toBe(false)
    expect(isValue(name)).toBe(true)
  })
})

describe('the facts that signals give', () => {
  test('are when, until when and what, by name', () => {
    const other = { ...document, id: 'attested', value: true }
    expect(factsOf('cluster', [document, other])).toEqual({
      attested: { ...observation, value: true },
      defender: { ...observation, value: { unhealthyHigh: 0 } },
    })
  })

  test('are told by what they are about, also where they have one name', () => {
    const ofPod = { ...document, of: namedPod, value: 'another' }
    const observed = [{ of: 'pod', document: ofPod } as const, { of: 'cluster', document } as const]
    const read = observed.map(({ of, document }) => ({ of, document: signalDocument.parse(document) }))
    expect(postureOf(read, paymentsApi)).toEqual({
      pod: { defender: { ...observation, value: 'another' } },
      cluster: { defender: { ...observation, value: { unhealthyHigh: 0 } } },
    })
  })

  test('of nothing that was observed are none', () => {
    expect(postureOf([], paymentsApi)).toEqual({})
  })

  test('hold what is too old: the condition judges that', () => {
    const old = { ...document, observedAt: '2020-01-01T00:00:00Z', expiresAt: '2020-01-01T01:00:00Z' }
    expect(Object.keys(factsOf('cluster', [old]))).toEqual(['defender'])
  })

  test.each<[PostureKind, string | undefined, boolean]>([
    ['pod', 'uid-of-pod', true],
    ['node', 'uid-of-node', true],
    ['serviceAccount', 'uid-of-api', true],
    ['pod', 'uid-of-an-earlier-pod', false],
    ['node', 'uid-of-pod', false],
    ['serviceAccount', 'uid-of-pod', false],
    // Tokens do not tell the uids of these.
    ['cluster', 'uid-of-pod', false],
    ['namespace', 'payments', false],
    ['pod', undefined, true],
    ['cluster', undefined, true],
  ])('of a %s with uid %j: %j', (kind, uid, isMeant) => {
    const of = postureKey(kind, paymentsApi)
    const pinned = { ...document, of, ...(uid !== undefined && { uid }) }
    expect(Object.keys(factsOf(kind, [pinned]))).toEqual(isMeant ? ['defender'] : [])
  })

  test('of a uid are not those of a workload whose uid is unknown', () => {
    const workload = { ...paymentsApi, node: { name: 'aks-pool1-vmss000000' } }
    const pinned = { ...document, of: postureKey('node', workload), uid: 'uid-of-node' }
    expect(factsOf('node', [pinned], workload)).toEqual({})
  })
})

describe('signals that are more than the record has room for', () => {
  const long = (id: string, bytes = 512) => ({ ...document, id, value: 'x'.repeat(bytes - 2) })
  const clusterBytes = ({ id, observedAt, expiresAt, value }: ReturnType<typeof long>) =>
    Buffer.byteLength(JSON.stringify(['cluster', id, { observedAt, expiresAt, value }]))
  const many = [...'abcdefghij'].map(id => long(id, 480))
  const left = 6_144 - many.map(clusterBytes).reduce((sum, bytes) => sum + bytes, 0)
  const empty = clusterBytes(long('z', 2))

  test('are facts up to 6,144 bytes in all, the first that were asked for', () => {
    const withRoomFor = (bytes: number) => Object.keys(factsOf('cluster', [...many, long('z', bytes)]))
    expect(withRoomFor(left - empty + 2)).toEqual([...'abcdefghijz'])
    expect(withRoomFor(left - empty + 3)).toEqual([...'abcdefghij'])
  })

  test('take the room of those of another kind', () => {
    const ofCluster = many.map(stored => ({ of: 'cluster' as const, document: signalDocument.parse(stored) }))
    const ofPod = { of: 'pod' as const, document: signalDocument.parse({ ...long('z', left), of: namedPod }) }
    expect(Object.keys(postureOf([ofPod], paymentsApi))).toEqual(['pod'])
    expect(Object.keys(postureOf([...ofCluster, ofPod], paymentsApi))).toEqual(['cluster'])
  })

  test('take no room where they do not mean this workload', () => {
    const pinned = many.map(one => ({ ...one, uid: 'uid-of-somebody' }))
    expect(Object.keys(factsOf('pod', [...pinned, ...pinned, long('z')]))).toEqual(['z'])
  })

  test('leave one that is as long as may be', () => {
    expect(Object.keys(factsOf('cluster', [long('a'.repeat(63))]))).toEqual(['a'.repeat(63)])
  })
})
