import { createHash, createPrivateKey, createPublicKey, generateKeyPair, type KeyObject, sign } from 'node:crypto'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { z } from 'zod'
import { keepJson, readKeptJson } from './kept-json.ts'

/** A public key as an issuer publishes it. */
export interface PublishedKey {
  readonly kty: 'RSA'
  readonly use: 'sig'
  readonly alg: 'RS256'
  readonly kid: string
  readonly n: string
  readonly e: string
}

/** An issuer's RSA keys, kept in a folder. */
export interface SigningKeys {
  /** The signing key, the previous one (once rotated), and another: the order in which they are published. */
  published(): readonly PublishedKey[]
  /**
   * A JWT signed with RS256 by the signing key, whatever the claims and the header say: `header` may replace even
   * `alg` and `kid`, so that tests can make hostile tokens. Members that are undefined are left out.
   */
  sign(claims: Readonly<Record<string, unknown>>, header?: Readonly<Record<string, unknown>>): string
  /** A new key signs. The one before it stays published until the next rotation, as AKS documents. */
  rotate(): Promise<void>
}

interface Key {
  readonly privateKey: KeyObject
  readonly published: PublishedKey
}

interface Ring {
  readonly signing: Key
  readonly previous?: Key
  /** Never signs. AKS publishes two keys when nothing is being rotated. */
  readonly other: Key
}

const privateJwk = z.record(z.string(), z.string())
const keptRing = z.strictObject({ signing: privateJwk, previous: privateJwk.optional(), other: privateJwk })

/** Opens the keys kept in `dir`, making them on first use: a restart signs with the same key. */
export async function openSigningKeys(dir: string): Promise<SigningKeys> {
  const path = join(dir, 'signing-keys.json')
  let ring = readRing(path)
  if (!ring) {
    ring = { signing: await makeKey(), other: await makeKey() }
    keepRing(path, ring)
  }
  return wield(ring, path)
}

function wield(opened: Ring, path: string): SigningKeys {
  let ring = opened
  return {
    published: () => [ring.signing, ring.previous, ring.other].flatMap(key => key?.published ?? []),
    sign: (claims, header) => signJwt(ring.signing, claims, header),
    async rotate() {
      ring = { signing: await makeKey(), previous: ring.signing, other: ring.other }
      keepRing(path, ring)
    },
  }
}

function readRing(path: string): Ring | undefined {
  const kept = readKeptJson(path)
  if (kept === undefined) return undefined
  const { signing, previous, other } = keptRing.parse(kept)
  return { signing: toKey(signing), other: toKey(other), ...(previous && { previous: toKey(previous) }) }
}

function keepRing(path: string, { signing, previous, other }: Ring): void {
  const jwk = (key: Key) => key.privateKey.export({ format: 'jwk' })
  keepJson(path, { signing: jwk(signing), ...(previous && { previous: jwk(previous) }), other: jwk(other) })
}

async function makeKey(): Promise<Key> {
  const { privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength: 2048 })
  return describeKey(privateKey)
}

function toKey(jwk: z.infer<typeof privateJwk>): Key {
  return describeKey(createPrivateKey({ key: jwk, format: 'jwk' }))
}

function describeKey(privateKey: KeyObject): Key {
  const publicKey = createPublicKey(privateKey)
  const { n = '', e = '' } = publicKey.export({ format: 'jwk' })
  return { privateKey, published: { kty: 'RSA', use: 'sig', alg: 'RS256', kid: keyId(publicKey), n, e } }
}

/** Kubernetes' own rule for key ids: the hash of the public key. */
function keyId(publicKey: KeyObject): string {
  return createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('base64url')
}

/** Not `jose`: that refuses to make the hostile tokens that tests need. */
function signJwt({ privateKey, published }: Key, claims: object, header: object = {}): string {
  const signed = `${encode({ alg: 'RS256', kid: published.kid, ...header })}.${encode(claims)}`
  return `${signed}.${sign('sha256', Buffer.from(signed), privateKey).toString('base64url')}`
}

function encode(part: object): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url')
}
