import type { Secret } from './secret.ts'

/** One member of a credential's documented shape. Text that must not be seen is a {@link Secret}. */
export type CredentialField = string | number | boolean | Secret

/** What the caller receives. Only `functions/token.ts` reveals the secrets in it. */
export interface Credential {
  /** Becomes `access_token`: the password, the API key, the token. */
  readonly secret: Secret
  /** The whole credential in the provider's documented shape, with everything that a client needs to connect. */
  readonly fields: Readonly<Record<string, CredentialField>>
  /** What the decision record keeps of it: an account name, a secret's version. Never a secret. */
  readonly reference: Readonly<Record<string, string>>
  /** Epoch milliseconds at which the credential itself ends, where it knows. */
  readonly expiresAt?: number
}
