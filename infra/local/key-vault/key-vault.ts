import type { Certificate } from '../certificate-authority.ts'
import { type JsonAnswer, type JsonRequest, listenForJson } from '../json-listener.ts'
import { badParameter, unauthorized } from './answers.ts'
import { createFaults, type Faults } from './faults.ts'
import { answerKey } from './key-requests.ts'
import { type KeyAttributes, openKeyStore } from './keys.ts'
import { answerSecret } from './secret-requests.ts'
import { openSecretStore, type SecretAttributes } from './secrets.ts'
import type { KeyAction, Vault } from './vault.ts'

export interface KeyVaultOptions {
  readonly port?: number
  readonly certificate: Certificate
  /** Keeps the secrets and keys; without it they live in memory alone. */
  readonly dir?: string
  /** The name by which the vault is called, and which the ids of its secrets and keys bear: `localhost`, unless the caller resolves another. */
  readonly host?: string
  /** The audience that clients are told to ask for: `https://vault.azure.net`. Their SDK wants `host` to lie below it. */
  readonly resource?: string
  /** Who a bearer token is from, undefined where the vault would not accept it. */
  readonly authenticate: (token: string) => Promise<string | undefined>
  /** Azure's role assignments. Reading a secret's versions counts as `get`. */
  readonly authorize: (identity: string, action: 'get' | 'set', secretName: string) => boolean
  /** The same for keys. Nobody may do anything where it is not given. */
  readonly authorizeKey?: (identity: string, action: KeyAction, keyName: string) => boolean
  /** Where clients get tokens: `https://login.microsoftonline.com/<tenant id>`, without a slash at its end. */
  readonly authority: string
  /** Epoch milliseconds. */
  readonly now?: () => number
}

/** A Key Vault, as far as its secrets go, and keys that sign. */
export interface LocalKeyVault {
  readonly url: string
  /** Adds a version of a secret, as an operator with every right would. */
  set(name: string, value: string, attributes?: SecretAttributes): { readonly version: string }
  /** Adds a version of a key, as an operator with every right would. */
  createKey(name: string, attributes?: KeyAttributes): { readonly version: string }
  /** Makes a key of that name where there is none. */
  ensureKey(name: string): void
  /** How many authenticated GETs each secret has had, by name, whatever they were answered. */
  readonly requests: ReadonlyMap<string, number>
  readonly faults: Faults
  stop(): Promise<void>
}

/**
 * Starts a vault on loopback. Like the real one it serves secrets that have expired or are not valid yet, since `nbf`
 * and `exp` are for the reader to heed; only `enabled: false` stops a read.
 */
export async function startKeyVault(options: KeyVaultOptions): Promise<LocalKeyVault> {
  const { port = 0, certificate, dir, host = 'localhost', now = Date.now } = options
  const secrets = openSecretStore(dir, now)
  const keys = openKeyStore(dir, now)
  const requests = new Map<string, number>()
  const { faults, meet } = createFaults()
  const urlOf = (origin: string) => origin.replace('//localhost:', `//${host}:`)
  const listener = await listenForJson({ port, certificate }, origin => {
    const defaults = { resource: 'https://vault.azure.net', authorizeKey: () => false }
    const vault = { ...defaults, ...options, now, secrets, keys, requests, meet, url: urlOf(origin) }
    return request => answer(request, vault)
  })
  return {
    url: urlOf(listener.url),
    set: secrets.set,
    createKey: keys.create,
    ensureKey: name => {
      if (!keys.find(name)) keys.create(name)
    },
    requests,
    faults,
    stop: listener.stop,
  }
}

type GuardedVault = Vault & Pick<KeyVaultOptions, 'authenticate' | 'authority'> & { readonly resource: string }

async function answer(request: JsonRequest, vault: GuardedVault): Promise<JsonAnswer> {
  const token = /^Bearer (\S+)$/i.exec(request.headers.authorization ?? '')?.[1]
  const challenge = (message: string) => unauthorized(vault.authority, vault.resource, message)
  if (!token) return challenge('AKV10000: Request is missing a Bearer or PoP token.')
  const identity = await vault.authenticate(token)
  if (identity === undefined) return challenge('Error validating token: wrong issuer, audience, signature or time.')
  if (!request.url.searchParams.has('api-version')) return badParameter('The request must name an api-version.')
  return answerItem(request, identity, vault)
}

const collections = new Map<string | undefined, typeof answerKey>([
  ['secrets', answerSecret],
  ['keys', answerKey],
])

async function answerItem({ method, url, body }: JsonRequest, identity: string, vault: Vault): Promise<JsonAnswer> {
  const [, collection, name = '', ...rest] = url.pathname.split('/')
  const answer = collections.get(collection)
  if (!answer || !/^[0-9A-Za-z-]{1,127}$/.test(name)) {
    return badParameter('The request URI must be /secrets/{name} or /keys/{name}, 1 to 127 letters, digits and dashes.')
  }
  return answer({ method, name, rest: rest.filter(part => part !== ''), identity, body }, vault)
}
