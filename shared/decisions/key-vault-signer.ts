import type { CryptographyClient, KeyClient, KeyVaultKey } from '@azure/keyvault-keys'
import { describeCause, unavailable } from '../errors.ts'
import type { CheckpointKey } from './checkpoint.ts'

export interface KeyVaultSignerOptions {
  readonly keys: Pick<KeyClient, 'getKey'>
  readonly name: string
  /** Uses one version of a key. */
  readonly cryptographyOf: (key: KeyVaultKey) => Pick<CryptographyClient, 'sign'>
}

/** Milliseconds for either of the two requests. */
const timeout = 5_000

/** The newest version of a Key Vault key on P-256. Whatever goes wrong is 503 `vault_unavailable`, in time. */
export function keyVaultSigner({ keys, name, cryptographyOf }: KeyVaultSignerOptions) {
  return async (signal: AbortSignal): Promise<CheckpointKey> => {
    const key = await ask(signal, abortSignal => keys.getKey(name, { abortSignal }))
    const { id, key: { crv } = {} } = key
    if (crv !== 'P-256' || id === undefined) throw unavailable('vault_unavailable', { detail: { key: 'not on P-256' } })
    const cryptography = cryptographyOf(key)
    return {
      kid: id,
      async sign(digest, signal) {
        const { result } = await ask(signal, abortSignal => cryptography.sign('ES256', digest, { abortSignal }))
        return result
      },
    }
  }
}

async function ask<T>(signal: AbortSignal, request: (signal: AbortSignal) => Promise<T>): Promise<T> {
  try {
    return await request(AbortSignal.any([signal, AbortSignal.timeout(timeout)]))
  } catch (cause) {
    throw unavailable('vault_unavailable', { detail: describeCause(cause), cause })
  }
}
