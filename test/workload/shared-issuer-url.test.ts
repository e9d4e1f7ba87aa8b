import { beforeAll, describe, expect, test } from 'vitest'
import { chooseByKey } from '../../shared/workload/shared-issuer-url.ts'
import type { FoundIssuer } from '../../shared/workload/verify-token.ts'
import { issuerOf, newSigner, type Signer } from './tokens.ts'

let [first, second, third]: Signer[] = []
beforeAll(async () => {
  ;[first, second, third] = await Promise.all(['key-1', 'key-2', 'key-3'].map(id => newSigner(id)))
})

function found(id: string, keys: unknown): FoundIssuer {
  return { issuer: issuerOf({ id, keys, issuerUrl: 'https://kubernetes.default.svc.cluster.local' }), version: '"1"' }
}

const inline = (id: string, ...published: readonly unknown[]) => found(id, { jwks: { keys: published } })
const chosen = (keyId: string, ...issuers: readonly FoundIssuer[]) => chooseByKey(issuers, keyId)?.issuer.id

describe('of issuers of one URL', () => {
  test('each with inline keys of its own, the key tells which a token is from', () => {
    const [a, b] = [inline('a', first?.published, third?.published), inline('b', second?.published)]
    expect(['key-1', 'key-2', 'key-3'].map(id => chosen(id, a, b))).toEqual(['a', 'b', 'a'])
    expect(chosen('key-2', b, a)).toBe('b')
    expect(chosen('key-4', a, b)).toBe(undefined)
  })

  test.each<[string, () => FoundIssuer]>([
    ['discovers its keys', () => found('b', { discovery: true })],
    ['has its keys at a URL', () => found('b', { jwksUri: 'https://keys.example' })],
    ['has a key id of the other', () => inline('b', { ...second?.published, kid: 'key-1' })],
    ["has the other's key", () => inline('b', first?.published)],
    ["has the other's key under another id", () => inline('b', { ...first?.published, kid: 'key-9' })],
    [
      "has the other's key under another id and algorithm",
      () => inline('b', { ...first?.published, kid: 'key-9', alg: 'PS256' }),
    ],
    ["has one of the other's keys among its own", () => inline('b', second?.published, first?.published)],
  ])('none counts where one %s', (_, other) => {
    const a = inline('a', first?.published)
    for (const keyId of ['key-1', 'key-2', 'key-9']) {
      expect(chosen(keyId, a, other())).toBe(undefined)
      expect(chosen(keyId, other(), a)).toBe(undefined)
    }
  })

  test('none counts where a third overlaps, whatever the key is', () => {
    const issuers = [inline('a', first?.published), inline('b', second?.published), inline('c', second?.published)]
    expect(chosen('key-1', ...issuers)).toBe(undefined)
  })
})
