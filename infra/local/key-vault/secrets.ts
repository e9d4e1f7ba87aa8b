import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { z } from 'zod'
import { keepJson, readKeptJson } from '../kept-json.ts'

/** What may be said of a new version. */
export interface SecretAttributes {
  readonly contentType?: string
  readonly tags?: Readonly<Record<string, string>>
  readonly enabled?: boolean
  readonly notBefore?: Date
  readonly expiresOn?: Date
}

const storedSecret = z.strictObject({
  version: z.string(),
  value: z.string(),
  contentType: z.string().optional(),
  tags: z.record(z.string(), z.string()).optional(),
  attributes: z.strictObject({
    enabled: z.boolean(),
    nbf: z.number().optional(),
    exp: z.number().optional(),
    created: z.number(),
    updated: z.number(),
  }),
})
const storedSecrets = z.record(z.string(), z.array(storedSecret))

/** One version of a secret. Times are epoch seconds, as in the protocol. */
export type StoredSecret = Readonly<z.infer<typeof storedSecret>>

/** Every version of every secret of one vault. Names are told apart without regard to case, as Key Vault does. */
export interface SecretStore {
  set(name: string, value: string, attributes?: SecretAttributes): StoredSecret
  /** The newest version, enabled or not, unless one is named. */
  find(name: string, version?: string): StoredSecret | undefined
  /** Oldest first. */
  versions(name: string): readonly StoredSecret[]
}

/** Opens the secrets kept in `dir`, or in memory alone where there is none. */
export function openSecretStore(dir: string | undefined, now: () => number): SecretStore {
  const path = dir && join(dir, 'secrets.json')
  const secrets = new Map(Object.entries(storedSecrets.parse((path && readKeptJson(path)) || {})))
  const versions = (name: string) => secrets.get(name.toLowerCase()) ?? []
  return {
    versions,
    find: (name, version) =>
      version ? versions(name).find(stored => stored.version === version) : versions(name).at(-1),
    set(name, value, attributes = {}) {
      const stored = newVersion(value, attributes, Math.floor(now() / 1000))
      secrets.set(name.toLowerCase(), [...versions(name), stored])
      if (path) keepJson(path, Object.fromEntries(secrets))
      return stored
    },
  }
}

function newVersion(value: string, attributes: SecretAttributes, created: number): StoredSecret {
  const { contentType, tags, enabled = true, notBefore, expiresOn } = attributes
  return {
    version: randomUUID().replaceAll('-', ''),
    value,
    contentType,
    tags: tags && { ...tags },
    attributes: { enabled, nbf: epochSeconds(notBefore), exp: epochSeconds(expiresOn), created, updated: created },
  }
}

function epochSeconds(date: Date | undefined): number | undefined {
  return date && Math.floor(date.getTime() / 1000)
}
