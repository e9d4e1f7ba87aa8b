import { z } from 'zod'
import type { JsonAnswer } from '../json-listener.ts'
import {
  badParameter,
  forbiddenByRbac,
  notOffered,
  secretBundle,
  secretDisabled,
  secretNotFound,
  versionList,
} from './answers.ts'
import type { SecretAttributes } from './secrets.ts'
import { type Asked, parseBody, type Vault } from './vault.ts'

/** Answers `/secrets/{name}`, `/secrets/{name}/{version}` and `/secrets/{name}/versions`. */
export async function answerSecret(asked: Asked, vault: Vault): Promise<JsonAnswer> {
  if (asked.method === 'GET') return getSecret(asked, vault)
  if (asked.method === 'PUT' && !asked.rest[0]) return setSecret(asked, vault)
  return notOffered(asked.method)
}

async function getSecret({ name, rest: [version = ''], identity }: Asked, vault: Vault): Promise<JsonAnswer> {
  vault.requests.set(name, (vault.requests.get(name) ?? 0) + 1)
  const fault = await vault.meet(name)
  if (fault) return fault
  const listing = version === 'versions'
  if (!vault.authorize(identity, 'get', name)) {
    return forbiddenByRbac(identity, `secrets/${listing ? 'readMetadata' : 'getSecret'}/action`, `/secrets/${name}`)
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

async function setSecret({ name, identity, body }: Asked, vault: Vault): Promise<JsonAnswer> {
  const fault = await vault.meet(name)
  if (fault) return fault
  if (!vault.authorize(identity, 'set', name)) {
    return forbiddenByRbac(identity, 'secrets/setSecret/action', `/secrets/${name}`)
  }
  const parsed = z.preprocess(parseBody, newSecret).safeParse(body)
  if (!parsed.success) return badParameter(z.prettifyError(parsed.error))
  return secretBundle(vault.url, name, vault.secrets.set(name, parsed.data.value, attributesOf(parsed.data)))
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
