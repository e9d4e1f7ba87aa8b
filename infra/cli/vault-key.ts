import { createPublicKey, type KeyObject } from 'node:crypto'
import type { TokenCredential } from '@azure/identity'
import { type JsonWebKey, KeyClient } from '@azure/keyvault-keys'
import type { FindKey } from '../../shared/decisions/verify-checkpoints.ts'
import { isLoopback } from '../../shared/setting-values.ts'
import { UsageError } from './usage-error.ts'

/**
 * A Key Vault key, of which every version counts unless the URL names one. The vault and the key are the caller's word,
 * never a checkpoint's: that names only a version of them.
 */
export function vaultKey(given: string, credential: TokenCredential): FindKey {
  const url = new URL(given)
  const [, collection, name, wanted] = url.pathname.split('/')
  if (collection !== 'keys' || !name) throw new UsageError('--key: expected https://NAME.vault.azure.net/keys/KEY')
  // A stand-in on this machine has no name under vault.azure.net.
  const options = { disableChallengeResourceVerification: isLoopback(url) }
  const client = new KeyClient(url.origin, credential, options)
  const known = new Map<string, Promise<KeyObject | undefined>>()

  /** Undefined where there is none: who can write a checkpoint can name any version, which must not end the verification. */
  async function fetchVersion(version: string): Promise<KeyObject | undefined> {
    try {
      const { key } = await client.getKey(name ?? '', { version })
      return key && toKeyObject(key)
    } catch (error) {
      const status: unknown = Object(error).statusCode
      if (status === 404 || status === 400) return undefined
      throw error
    }
  }

  return async kid => {
    const version = kid.startsWith(`${url.origin}/keys/${name}/`) ? kid.split('/').at(-1) : undefined
    if (!version || !/^\w+$/.test(version) || (wanted && version !== wanted)) return undefined
    const fetching = known.get(version) ?? fetchVersion(version)
    known.set(version, fetching)
    return fetching
  }
}

function toKeyObject({ kty, crv, x, y }: JsonWebKey): KeyObject | undefined {
  if ((kty !== 'EC' && kty !== 'EC-HSM') || crv !== 'P-256') return undefined
  const text = (part?: Uint8Array) => Buffer.from(part ?? []).toString('base64url')
  return createPublicKey({ key: { kty: 'EC', crv, x: text(x), y: text(y) }, format: 'jwk' })
}
