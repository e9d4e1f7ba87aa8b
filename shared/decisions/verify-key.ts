import { createPublicKey, type KeyObject } from 'node:crypto'
import { z } from 'zod'
import type { FindKey } from './verify-checkpoints.ts'

const jwk = z.looseObject({ kty: z.string(), kid: z.string().optional() })
const jwks = z.object({ keys: z.array(jwk).min(1) })

/**
 * The public key in a file: PEM, a JWK or a JWK set. A key that names no `kid` stands for every checkpoint; of those
 * that do, each for the ones that name it. Throws where it is no key on P-256.
 */
export function readPublicKeys(text: string): FindKey {
  const keys = keysIn(text)
  for (const { key } of keys) {
    const { namedCurve } = key.asymmetricKeyDetails ?? {}
    if (namedCurve !== 'prime256v1') throw new Error('expected a key on P-256')
  }
  return async kid => keys.find(({ id }) => id === undefined || id === kid)?.key
}

function keysIn(text: string): readonly { readonly id: string | undefined; readonly key: KeyObject }[] {
  if (!text.trimStart().startsWith('{')) return [{ id: undefined, key: createPublicKey(text) }]
  const json: unknown = JSON.parse(text)
  const set = jwks.safeParse(json)
  const found = set.success ? set.data.keys : [jwk.parse(json)]
  return found.map(one => ({ id: one.kid, key: createPublicKey({ key: one, format: 'jwk' }) }))
}
