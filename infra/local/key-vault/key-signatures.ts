import {
  constants,
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  privateEncrypt,
  publicDecrypt,
} from 'node:crypto'
import type { StoredKey } from './keys.ts'
import { signDigest, verifyDigest } from './p256.ts'

/** The algorithms that this vault signs with, and the kind of key that each needs. */
export const signatureKeys = { ES256: 'EC', RS256: 'RSA' } as const

export type SignatureAlgorithm = keyof typeof signatureKeys

/** What stands before a SHA-256 in a signature of RSASSA-PKCS1-v1_5 (RFC 8017 section 9.2). */
const digestInfo = Buffer.from('3031300d060960864801650304020105000420', 'hex')

/** Signs a SHA-256: ES256 as r and s, 32 bytes each (RFC 7518 section 3.4). */
export function signWith({ jwk }: StoredKey, algorithm: SignatureAlgorithm, digest: Buffer): Buffer {
  if (algorithm === 'ES256') return signDigest(jwk['d'] ?? '', digest)
  return privateEncrypt(padded(createPrivateKey({ key: jwk, format: 'jwk' })), Buffer.concat([digestInfo, digest]))
}

/** Whether a signature is of that digest, and by that key. */
export function verifyWith(
  { jwk }: StoredKey,
  { algorithm, digest, signature }: { algorithm: SignatureAlgorithm; digest: Buffer; signature: Buffer },
): boolean {
  if (algorithm === 'ES256') return verifyDigest({ x: jwk['x'] ?? '', y: jwk['y'] ?? '' }, digest, signature)
  try {
    const key = createPublicKey(createPrivateKey({ key: jwk, format: 'jwk' }))
    return publicDecrypt(padded(key), signature).equals(Buffer.concat([digestInfo, digest]))
  } catch {
    return false
  }
}

function padded(key: KeyObject) {
  return { key, padding: constants.RSA_PKCS1_PADDING }
}
