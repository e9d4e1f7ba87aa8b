import { z } from 'zod'
import { ExchangeError, unavailable } from '../errors.ts'
import type { Credential, CredentialField } from './credential.ts'
import type { SourceProvider } from './credential-provider.ts'
import { checkSecret } from './key-vault-secret-check.ts'
import { Secret } from './secret.ts'
import { type ReadSecret, type SecretVersion, secretReference } from './secret-reference.ts'

/** What is not secret and goes along: a host, a port, a user name. */
const settings = z.strictObject({
  fields: z.record(z.string().max(64), z.union([z.string().max(1_024), z.number(), z.boolean()])).default({}),
})

/** Each scope is a secret of its own. `json` makes every member of the secret a member of the credential. */
const scope = z.strictObject({
  secret: secretReference,
  format: z.enum(['text', 'json']).default('text'),
  /** The member that becomes `access_token`, for `json`. */
  token: z.string().max(64).default('password'),
})

export type KeyVaultSecretSettings = z.output<typeof settings>
export type KeyVaultSecretScope = z.output<typeof scope>

const structured = z.record(z.string().max(64), z.union([z.string(), z.number(), z.boolean()]))

/**
 * A static secret from Key Vault: an API key, a password, a JSON document. It exists already, so there is nothing to
 * take back, and it cannot be cut to a scope: a scope names the secret to hand out.
 */
export function keyVaultSecret(read: ReadSecret): SourceProvider<KeyVaultSecretSettings, KeyVaultSecretScope> {
  return {
    kind: 'key-vault-secret',
    settings,
    scope,
    tokenType: 'urn:causeway:token-type:secret',
    issues: 'existing',
    open: ({ fields }) => ({
      async read({ scopes: [granted, another] }) {
        if (!granted || another) {
          throw new ExchangeError('invalid_scope', 'scopes_not_combinable', {
            description: 'each scope of this target is a secret of its own: ask for one at a time',
          })
        }
        return credential(await read(granted.secret), granted, fields)
      },
      check: scopes =>
        Promise.all(
          Object.entries(scopes).map(([name, scope]) =>
            checkSecret(name, scope.secret, async () => credential(await read(scope.secret), scope, fields)),
          ),
        ),
    }),
  }
}

function credential(
  found: SecretVersion,
  { secret: { vault, secret: name }, format, token }: KeyVaultSecretScope,
  fields: Readonly<Record<string, CredentialField>>,
): Credential {
  const members = format === 'json' ? jsonMembers(found.secret) : { value: found.secret }
  const secret = format === 'json' ? members[token] : found.secret
  if (!(secret instanceof Secret)) throw unavailable('secret_malformed', { retryAfter: 30 })
  return {
    secret,
    fields: { ...fields, ...members },
    reference: { vault, secret: name, version: found.version },
    ...(found.expiresAt !== undefined && { expiresAt: found.expiresAt }),
  }
}

/** Nothing of a secret is taken for harmless: every text in it stays secret. */
function jsonMembers(secret: Secret): Readonly<Record<string, CredentialField>> {
  const parsed = structured.safeParse(parseJson(secret.reveal()))
  if (!parsed.success) throw unavailable('secret_malformed', { retryAfter: 30 })
  return Object.fromEntries(
    Object.entries(parsed.data).map(([name, value]) => [name, typeof value === 'string' ? new Secret(value) : value]),
  )
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // The parser's message quotes the text.
    return undefined
  }
}
