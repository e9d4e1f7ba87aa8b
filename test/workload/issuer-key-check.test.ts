import { generateKeyPairSync } from 'node:crypto'
import { expect, test } from 'vitest'
import { importKeys, type PublishedKey } from '../../shared/workload/issuer-key.ts'
import { keySteps } from '../../shared/workload/issuer-key-check.ts'
import { issuerOf } from './tokens.ts'

const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const published = { ...publicKey.export({ format: 'jwk' }), kty: 'EC', kid: 'key-1' }
const { kid: _, ...withoutId } = published
const issuer = issuerOf({ algorithms: ['ES256'] })

test.each<[string, PublishedKey, boolean]>([
  ['as it is', published, true],
  ['with its algorithm', { ...published, alg: 'ES256' }, true],
  ['with an empty algorithm', { ...published, alg: '' }, true],
  ['of another algorithm', { ...published, alg: 'ES384' }, false],
  ['for encryption', { ...published, use: 'enc' }, false],
  ['without an id', withoutId, false],
  ['with an empty id', { ...published, kid: '' }, false],
  ['of a curve that is the name of a method', { ...published, crv: 'toString' }, false],
  ['of a type that is the name of a method', { ...published, kty: 'toString' }, false],
])('a key %s counts for a check of its issuer where it counts for an exchange', async (_, key, counts) => {
  expect((await importKeys([key], issuer, undefined)).size).toBe(counts ? 1 : 0)
  const steps = keySteps({ keys: [key] }, issuer)
  expect(steps.find(({ step }) => step === 'algorithms')).toMatchObject({ ok: counts })
  expect(JSON.stringify(steps)).not.toContain('native code')
})
