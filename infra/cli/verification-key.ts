import { readFile } from 'node:fs/promises'
import type { FindKey } from '../../shared/decisions/verify-checkpoints.ts'
import { readPublicKeys } from '../../shared/decisions/verify-key.ts'
import { UsageError } from './usage-error.ts'

/** Reads the key in a file that `--key` names. */
export async function readKey(path: string): Promise<FindKey> {
  const text = await readFile(path, 'utf8').catch(cause => {
    throw new UsageError(`--key: cannot read ${path}`, { cause })
  })
  try {
    return readPublicKeys(text)
  } catch (cause) {
    throw new UsageError(`--key: ${path} holds no public key on P-256, as PEM, JWK or JWK set`, { cause })
  }
}
