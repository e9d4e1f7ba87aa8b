import { createHmac, hkdfSync } from 'node:crypto'
import { Secret } from '../credentials/secret.ts'

export interface DerivationInput {
  /** The text of the derivation key's version that the lease names. */
  readonly key: Secret
  readonly target: string
  readonly lease: string
  readonly salt: string
  /** How many characters, and which. */
  readonly password: { readonly length: number; readonly alphabet: string }
}

/**
 * The password of a lease: HMAC-SHA-256 under HKDF(key, target) over the lease's id and salt. The same lease gives the
 * same password for ever, so none is stored anywhere and asking again makes no new account.
 */
export function deriveSecret({ key, target, lease, salt, password: { length, alphabet } }: DerivationInput): Secret {
  const targetKey = Buffer.from(hkdfSync('sha256', key.reveal(), '', `causeway/password/1/${target}`, 32))
  // Bytes from here on would make some characters likelier than others, and are passed over.
  const fairBytes = 256 - (256 % alphabet.length)
  let password = ''
  for (let block = 0; password.length < length; block++) {
    const bytes = createHmac('sha256', targetKey)
      .update(JSON.stringify([lease, salt, block]))
      .digest()
    for (const byte of bytes) if (byte < fairBytes) password += alphabet[byte % alphabet.length]
  }
  return new Secret(password.slice(0, length))
}
