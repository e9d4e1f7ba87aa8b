import { z } from 'zod'
import type { JsonAnswer } from '../json-listener.ts'
import { badParameter, forbiddenByRbac, notOffered } from './answers.ts'
import { keyBundle, keyForbidden, keyNotFound, keyVersionList } from './key-answers.ts'
import { type SignatureAlgorithm, signatureKeys, signWith, verifyWith } from './key-signatures.ts'
import type { KeyAttributes, StoredKey } from './keys.ts'
import { type Asked, type KeyAction, parseBody, type Vault } from './vault.ts'

/** Key Vault's names for the rights: https://learn.microsoft.com/azure/key-vault/general/rbac-guide */
const rights = {
  get: 'keys/read',
  create: 'keys/create/action',
  sign: 'keys/sign/action',
  verify: 'keys/verify/action',
} as const

/**
 * Answers `/keys/{name}`, `/keys/{name}/{version}`, `/keys/{name}/versions`, `/keys/{name}/create` and
 * `/keys/{name}/{version}/sign` and `/verify`: https://learn.microsoft.com/rest/api/keyvault/keys/operation-groups
 */
export async function answerKey(asked: Asked, vault: Vault): Promise<JsonAnswer> {
  const action = actionOf(asked)
  if (!action) return notOffered(asked.method)
  const fault = await vault.meet(asked.name)
  if (fault) return fault
  if (!vault.authorizeKey(asked.identity, action, asked.name)) {
    return forbiddenByRbac(asked.identity, rights[action], `/keys/${asked.name}`)
  }
  if (action === 'create') return createKey(asked, vault)
  const [version = ''] = asked.rest
  const listing = version === 'versions'
  const key = vault.keys.find(asked.name, listing ? undefined : version)
  if (!key) return keyNotFound(version ? `${asked.name}/${version}` : asked.name)
  if (listing) return keyVersionList(vault.url, asked.name, vault.keys.versions(asked.name))
  return action === 'get' ? keyBundle(vault.url, asked.name, key) : useKey({ ...asked, action, key }, vault)
}

function actionOf({ method, rest }: Asked): KeyAction | undefined {
  if (method === 'GET' && rest.length <= 1) return 'get'
  if (method !== 'POST') return undefined
  if (rest.length === 1 && rest[0] === 'create') return 'create'
  return rest.length === 2 && (rest[1] === 'sign' || rest[1] === 'verify') ? rest[1] : undefined
}

const newKey = z.object({
  kty: z.enum(['EC', 'RSA']),
  crv: z.literal('P-256').nullish(),
  key_size: z.union([z.literal(2048), z.literal(3072), z.literal(4096)]).nullish(),
  key_ops: z.array(z.string()).nullish(),
  tags: z.record(z.string(), z.string()).nullish(),
  attributes: z.object({ enabled: z.boolean().nullish(), nbf: z.int().nullish(), exp: z.int().nullish() }).nullish(),
})

function createKey({ name, body }: Asked, vault: Vault): JsonAnswer {
  const parsed = z.preprocess(parseBody, newKey).safeParse(body)
  if (!parsed.success) return badParameter(z.prettifyError(parsed.error))
  return keyBundle(vault.url, name, vault.keys.create(name, attributesOf(parsed.data)))
}

function attributesOf({ kty, key_size, key_ops, tags, attributes }: z.infer<typeof newKey>): KeyAttributes {
  return {
    kty,
    ...(key_size && { keySize: key_size }),
    ...(key_ops && { operations: key_ops }),
    ...(tags && { tags }),
    enabled: attributes?.enabled ?? true,
    ...(attributes?.nbf != null && { notBefore: new Date(attributes.nbf * 1000) }),
    ...(attributes?.exp != null && { expiresOn: new Date(attributes.exp * 1000) }),
  }
}

const bytes = z
  .string()
  .regex(/^[\w-]+$/)
  .transform(text => Buffer.from(text, 'base64url'))
const toSign = z.object({ alg: z.string(), value: bytes }).transform(({ alg, value }) => ({ alg, digest: value }))
const toVerify = z
  .object({ alg: z.string(), digest: bytes, value: bytes })
  .transform(({ alg, digest, value }) => ({ alg, digest, signature: value }))

type Use = Asked & { readonly action: 'sign' | 'verify'; readonly key: StoredKey }

function useKey(use: Use, vault: Vault): JsonAnswer {
  const forbidden = whyNot(use, Math.floor(vault.now() / 1000))
  if (forbidden) return forbidden
  const parsed = z.union([toVerify, toSign]).safeParse(parseBody(use.body))
  if (!parsed.success) return badParameter(z.prettifyError(parsed.error))
  const { alg, digest, ...rest } = parsed.data
  const kty = use.key.jwk['kty']
  if (!isAlgorithm(alg) || signatureKeys[alg] !== kty) {
    return badParameter(`Key and signing algorithm are incompatible. Key type: ${kty}, algorithm: ${alg}`)
  }
  if (digest.length !== 32) return badParameter("Invalid length of 'value': expected 32 bytes.")
  if (use.action === 'verify') {
    const signature = 'signature' in rest ? rest.signature : Buffer.of()
    return { status: 200, body: { value: verifyWith(use.key, { algorithm: alg, digest, signature }) } }
  }
  const kid = `${vault.url}/keys/${use.name}/${use.key.version}`
  return { status: 200, body: { kid, value: signWith(use.key, alg, digest).toString('base64url') } }
}

function isAlgorithm(name: string): name is SignatureAlgorithm {
  return Object.hasOwn(signatureKeys, name)
}

/** Outside its time a key does not sign, and still verifies; disabled it does neither. */
function whyNot({ action, key: { attributes, operations } }: Use, now: number): JsonAnswer | undefined {
  const { enabled, nbf, exp } = attributes
  if (!enabled) return keyForbidden('KeyDisabled', `Operation ${action} is not allowed on a disabled key.`)
  if (!operations.includes(action)) {
    return keyForbidden('KeyOperationForbidden', `Operation ${action} is not permitted on this key.`)
  }
  if (action === 'sign' && nbf !== undefined && nbf > now) {
    return keyForbidden('KeyNotYetValid', 'Operation sign is not allowed on a key that is not yet valid.')
  }
  if (action === 'sign' && exp !== undefined && exp <= now) {
    return keyForbidden('KeyExpired', 'Operation sign is not allowed on an expired key.')
  }
  return undefined
}
