import { generateKeyPairSync, randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { z } from 'zod'
import { keepJson, readKeptJson } from '../kept-json.ts'

/** What may be said of a new version of a key. */
export interface KeyAttributes {
  /** `EC` is on P-256. */
  readonly kty?: 'EC' | 'RSA'
  /** Bits of an RSA key. */
  readonly keySize?: number
  readonly operations?: readonly string[]
  readonly tags?: Readonly<Record<string, string>>
  readonly enabled?: boolean
  readonly notBefore?: Date
  readonly expiresOn?: Date
}

const storedKey = z.strictObject({
  version: z.string(),
  /** The private key too. */
  jwk: z.record(z.string(), z.string()),
  operations: z.array(z.string()),
  tags: z.record(z.string(), z.string()).optional(),
  attributes: z.strictObject({
    enabled: z.boolean(),
    nbf: z.number().optional(),
    exp: z.number().optional(),
    created: z.number(),
    updated: z.number(),
  }),
})
const storedKeys = z.record(z.string(), z.array(storedKey))

/** One version of a key. Times are epoch seconds, as in the protocol. */
export type StoredKey = Readonly<z.infer<typeof storedKey>>

/** Every version of every key of one vault. Names are told apart without regard to case, as Key Vault does. */
export interface KeyStore {
  create(name: string, attributes?: KeyAttributes): StoredKey
  /** The newest version, enabled or not, unless one is named. */
  find(name: string, version?: string): StoredKey | undefined
  /** Oldest first. */
  versions(name: string): readonly StoredKey[]
}

/** Opens the keys kept in `dir`, or in memory alone where there is none. */
export function openKeyStore(dir: string | undefined, now: () => number): KeyStore {
  const path = dir && join(dir, 'keys.json')
  const keys = new Map(Object.entries(storedKeys.parse((path && readKeptJson(path)) || {})))
  const versions = (name: string) => keys.get(name.toLowerCase()) ?? []
  return {
    versions,
    find: (name, version) => (version ? versions(name).find(key => key.version === version) : versions(name).at(-1)),
    create(name, attributes = {}) {
      const stored = newVersion(attributes, Math.floor(now() / 1000))
      keys.set(name.toLowerCase(), [...versions(name), stored])
      if (path) keepJson(path, Object.fromEntries(keys))
      return stored
    },
  }
}

function newVersion(attributes: KeyAttributes, created: number): StoredKey {
  const { kty = 'EC', keySize = 2048, operations = ['sign', 'verify'], tags, enabled = true } = attributes
  const pair =
    kty === 'EC'
      ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
      : generateKeyPairSync('rsa', { modulusLength: keySize })
  return {
    version: randomUUID().replaceAll('-', ''),
    jwk: z.record(z.string(), z.string()).parse(pair.privateKey.export({ format: 'jwk' })),
    operations: [...operations],
    tags: tags && { ...tags },
    attributes: {
      enabled,
      nbf: epochSeconds(attributes.notBefore),
      exp: epochSeconds(attributes.expiresOn),
      created,
      updated: created,
    },
  }
}

function epochSeconds(date: Date | undefined): number | undefined {
  return date && Math.floor(date.getTime() / 1000)
}
