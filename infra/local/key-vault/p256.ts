import { createECDH } from 'node:crypto'

// ECDSA on P-256 over a digest that is made already (FIPS 186-5 section 6.4), as Key Vault offers it: Node.js only signs
// messages, which it hashes itself. Plain and slow, and not safe from whoever measures time: a stand-in, nothing else.

const p = 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n
const n = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n
const g: Point = {
  x: 0x6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296n,
  y: 0x4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5n,
}

/** A point of the curve; undefined is the one at infinity. */
type Point = { readonly x: bigint; readonly y: bigint } | undefined

/** Signs a digest of 32 bytes with the private number `d` of a JWK: r and s, 32 bytes each. */
export function signDigest(d: string, digest: Buffer): Buffer {
  const z = toNumber(digest)
  const once = createECDH('prime256v1')
  once.generateKeys()
  const k = toNumber(once.getPrivateKey())
  const r = modulo(toNumber(once.getPublicKey().subarray(1, 33)), n)
  const s = modulo(inverse(k, n) * (z + r * toNumber(Buffer.from(d, 'base64url'))), n)
  return r === 0n || s === 0n ? signDigest(d, digest) : Buffer.concat([toBytes(r), toBytes(s)])
}

/** Whether a signature over a digest is by the key of a JWK. */
export function verifyDigest(key: { x: string; y: string }, digest: Buffer, signature: Buffer): boolean {
  if (signature.length !== 64) return false
  const [r, s] = [toNumber(signature.subarray(0, 32)), toNumber(signature.subarray(32))]
  if (r === 0n || s === 0n || r >= n || s >= n) return false
  const [x, y] = [key.x, key.y].map(part => toNumber(Buffer.from(part, 'base64url')))
  const w = inverse(s, n)
  const signer = { x: x ?? 0n, y: y ?? 0n }
  const sum = add(multiply(g, modulo(toNumber(digest) * w, n)), multiply(signer, modulo(r * w, n)))
  return sum !== undefined && modulo(sum.x, n) === r
}

function multiply(point: Point, times: bigint): Point {
  let [sum, doubled]: [Point, Point] = [undefined, point]
  for (let left = times; left > 0n; left >>= 1n) {
    if (left & 1n) sum = add(sum, doubled)
    doubled = add(doubled, doubled)
  }
  return sum
}

function add(a: Point, b: Point): Point {
  if (!a || !b) return a ?? b
  if (a.x === b.x && modulo(a.y + b.y, p) === 0n) return undefined
  const slope =
    a.x === b.x
      ? (3n * a.x * a.x - 3n) * inverse(modulo(2n * a.y, p), p)
      : (b.y - a.y) * inverse(modulo(b.x - a.x, p), p)
  const x = modulo(slope * slope - a.x - b.x, p)
  return { x, y: modulo(slope * (a.x - x) - a.y, p) }
}

/** By the extended Euclidean algorithm. */
function inverse(value: bigint, modulus: bigint): bigint {
  let [a, b, x, y] = [modulo(value, modulus), modulus, 1n, 0n]
  while (a > 1n) {
    const quotient = a / b
    ;[a, b] = [b, a % b]
    ;[x, y] = [y, x - quotient * y]
  }
  return modulo(x, modulus)
}

function modulo(value: bigint, modulus: bigint): bigint {
  const rest = value % modulus
  return rest < 0n ? rest + modulus : rest
}

function toNumber(bytes: Buffer): bigint {
  return BigInt(`0x${bytes.toString('hex') || '0'}`)
}

function toBytes(value: bigint): Buffer {
  return Buffer.from(value.toString(16).padStart(64, '0'), 'hex')
}
