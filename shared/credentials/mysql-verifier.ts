import { createHash, randomInt } from 'node:crypto'

/** What `mysql_native_password` keeps: MariaDB and MySQL 5.7. Safe unsalted for what is random, as a lease's secret is. */
export function nativeVerifier(password: string): string {
  return `*${sha1(sha1(Buffer.from(password)))
    .toString('hex')
    .toUpperCase()}`
}

function sha1(data: Buffer): Buffer {
  return createHash('sha1').update(data).digest()
}

const digits = './0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

/** Passed over in the order in which SHA-crypt writes its bytes down, three at a time. */
const order = [
  0, 10, 20, 21, 1, 11, 12, 22, 2, 3, 13, 23, 24, 4, 14, 15, 25, 5, 6, 16, 26, 27, 7, 17, 18, 28, 8, 9, 19, 29,
]

/**
 * What `caching_sha2_password` keeps (MySQL 8 and newer): SHA-crypt with SHA-256, 5000 rounds and, unlike
 * elsewhere, a salt of 20 characters (Drepper, "Unix crypt using SHA-256 and SHA-512").
 */
export function cachingSha2Verifier(password: string, salt: Buffer = printableSalt()): string {
  const [key, seed] = [Buffer.from(password), salt]
  const first = initialDigest(key, seed)
  const p = repeated(sha256(...Array<Buffer>(key.length).fill(key)), key.length)
  const s = repeated(sha256(...Array<Buffer>(16 + (first[0] ?? 0)).fill(seed)), seed.length)
  let digest = first
  for (let round = 0; round < 5_000; round++) {
    const parts = [round % 2 ? p : digest, round % 3 ? s : Buffer.alloc(0), round % 7 ? p : Buffer.alloc(0)]
    digest = sha256(...parts, round % 2 ? digest : p)
  }
  return `$A$005$${seed.toString('latin1')}${encode(digest)}`
}

function initialDigest(key: Buffer, salt: Buffer): Buffer {
  const alternate = sha256(key, salt, key)
  const parts = [key, salt, repeated(alternate, key.length)]
  for (let bits = key.length; bits > 0; bits >>= 1) parts.push(bits & 1 ? alternate : key)
  return sha256(...parts)
}

function sha256(...parts: readonly Buffer[]): Buffer {
  return createHash('sha256').update(Buffer.concat(parts)).digest()
}

function repeated(digest: Buffer, length: number): Buffer {
  return Buffer.alloc(length, digest)
}

function encode(digest: Buffer): string {
  let text = ''
  for (let at = 0; at < order.length; at += 3) {
    const [high = 0, middle = 0, low = 0] = order.slice(at, at + 3).map(index => digest[index] ?? 0)
    text += group((high << 16) | (middle << 8) | low, 4)
  }
  return text + group(((digest[31] ?? 0) << 8) | (digest[30] ?? 0), 3)
}

function group(bits: number, length: number): string {
  return Array.from({ length }, (_, index) => digits[(bits >> (6 * index)) & 63]).join('')
}

/** Letters and digits: nothing in it that a statement or the stored form's own dollar signs could trip over. */
function printableSalt(): Buffer {
  return Buffer.from(Array.from({ length: 20 }, () => digits[randomInt(2, 64)]).join(''))
}
