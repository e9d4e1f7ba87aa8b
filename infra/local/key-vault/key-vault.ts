import { z } from 'zod'
import type { Certificate } from '../certificate-authority.ts'
import { type JsonAnswer, type JsonRequest, listenForJson } from '../json-listener.ts'
import {
  badParameter,
  failure,
  forbiddenByRbac,
  secretBundle,
  secretDisabled,
  secretNotFound,
  unauthorized,
  versionList,
} from './answers.ts'
import { createFaults, type Faults, type MeetFault } from './faults.ts'
import { openSecretStore, type SecretAttributes, type SecretStore } from './secrets.ts'

export interface KeyVaultOptions {
  readonly port?: number
  readonly certificate: Certificate
  /** Keeps the secrets; without it they live in memory alone. */
  readonly dir?: string
  /** The name by which the vault is called, and which its secrets' ids bear: `localhost`, unless the caller resolves another. */
  readonly host?: string
  /** The audience that clients are told to ask for: `https://vault.azure.net`. Their SDK wants `host` to lie below it. */
  readonly resource?: string
  /** Who a bearer token is from, undefined where the vault would not accept it. */
  readonly authenticate: (token: string) => Promise<string | undefined>
  /** Azure's role assignments. Reading a secret's versions counts as `get`. */
  readonly authorize: (identity: string, action: 'get' | 'set', secretName: string) => boolean
  /** Where clients get tokens: `https://login.microsoftonline.com/<tenant id>`, without a slash at its end. */
  readonly authority: string
  /** Epoch milliseconds. */
  readonly now?: () => number
}

/** A Key Vault, as far as its secrets go. */
export interface LocalKeyVault {
  readonly url: string
  /** Adds a version of a secret, as an operator with every right would. */
  set(name: string, value: string, attributes?: SecretAttributes): { readonly version: string }
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
  const requests = new Map<string, number>()
  const { faults, meet } = createFaults()
  const urlOf = (origin: string) => origin.replace('//localhost:', `//${host}:`)
  const listener = await listenForJson({ port, certificate }, origin => {
    const vault = { resource: 'https://vault.azure.net', ...options, secrets, requests, meet, url: urlOf(origin) }
    return request => answer(request, vault)
  })
  return { url: urlOf(listener.url), set: secrets.set, requests, faults, stop: listener.stop }
}

interface Vault extends Pick<KeyVaultOptions, 'authenticate' | 'authorize' | 'authority'> {
  readonly url: string
  readonly resource: string
  readonly secrets: SecretStore
  readonly requests: Map<string, number>
  readonly meet: MeetFault
}

async function answer(request: JsonRequest, vault: Vault): Promise<JsonAnswer> {
  const token = /^Bearer (\S+)$/i.exec(request.headers.authorization ?? '')?.[1]
  const challenge = (message: string) => unauthorized(vault.authority, vault.resource, message)
  if (!token) return challenge('AKV10000: Request is missing a Bearer or PoP token.')
  const identity = await vault.authenticate(token)
  if (identity === undefined) return challenge('Error validating token: wrong issuer, audience, signature or time.')
  if (!request.url.searchParams.has('api-version')) return badParameter('The request must name an api-version.')
  return answerSecret(request, identity, vault)
}

/** Paths are `/secrets/{name}`, `/secrets/{name}/{version}` and `/secrets/{name}/versions`. */
async function answerSecret(request: JsonRequest, identity: string, vault: Vault): Promise<JsonAnswer> {
  const [, collection, name = '', version = ''] = request.url.pathname.split('/')
  if (collection !== 'secrets' || !/^[0-9A-Za-z-]{1,127}$/.test(name)) {
    return badParameter('The request URI must be /secrets/{name}, its name 1 to 127 letters, digits and dashes.')
  }
  if (request.method === 'GET') return getSecret({ name, version, identity }, vault)
  if (request.method === 'PUT' && !version) return setSecret({ name, identity, body: request.body }, vault)
  return failure(405, 'MethodNotAllowed', `The stand-in does not support ${request.method} here.`)
}

async function getSecret(
  asked: { name: string; version: string; identity: string },
  vault: Vault,
): Promise<JsonAnswer> {
  const { name, version, identity } = asked
  vault.requests.set(name, (vault.requests.get(name) ?? 0) + 1)
  const fault = await vault.meet(name)
  if (fault) return fault
  const listing = version === 'versions'
  if (!vault.authorize(identity, 'get', name)) {
    return forbiddenByRbac(identity, listing ? 'readMetadata' : 'getSecret', name)
  }
  const stored = vault.secrets.find(name, listing ? undefined : version)
  if (!stored) return secretNotFound(version ? `${name}/${version}` : name)
  if (listing) return versionList(vault.url, name, vault.secrets.versions(name))
  return stored.attributes.enabled ? secretBundle(vault.url, name, stored) : secretDisabled()
}

const newSecret = z.object({
  value: z.string().max(25_600),
  contentType: z.string().max(255).nullish(),
  tags: z.record(z.string(), z.string()).nullish(),
  attributes: z.object({ enabled: z.boolean().nullish(), nbf: z.int().nullish(), exp: z.int().nullish() }).nullish(),
})

async function setSecret(asked: { name: string; identity: string; body: string }, vault: Vault): Promise<JsonAnswer> {
  const { name, identity, body } = asked
  const fault = await vault.meet(name)
  if (fault) return fault
  if (!vault.authorize(identity, 'set', name)) return forbiddenByRbac(identity, 'setSecret', name)
  const parsed = z.preprocess(parseJson, newSecret).safeParse(body)
  if (!parsed.success) return badParameter(z.prettifyError(parsed.error))
  return secretBundle(vault.url, name, vault.secrets.set(name, parsed.data.value, attributesOf(parsed.data)))
}

function parseJson(body: unknown): unknown {
  try {
    return JSON.parse(String(body))
  } catch {
    return undefined
  }
}

function attributesOf({ contentType, tags, attributes }: z.infer<typeof newSecret>): SecretAttributes {
  return {
    ...(contentType != null && { contentType }),
    ...(tags && { tags }),
    enabled: attributes?.enabled ?? true,
    ...(attributes?.nbf != null && { notBefore: new Date(attributes.nbf * 1000) }),
    ...(attributes?.exp != null && { expiresOn: new Date(attributes.exp * 1000) }),
  }
}
