import { z } from 'zod'
import type { Secret } from './secret.ts'

/**
 * Names a Key Vault secret by the alias that the settings give to a vault, never by URL: no document can point the
 * gateway's identity at a vault of its author's choosing. Names follow Key Vault: 1 to 127 letters, digits, dashes.
 */
export const secretReference = z.strictObject({
  vault: z.string().regex(/^[a-z][a-z0-9-]{0,31}$/, 'expected the alias of a vault from the settings, such as "corp"'),
  secret: z.string().regex(/^[0-9A-Za-z-]{1,127}$/, 'expected the name of a Key Vault secret: letters, digits, dashes'),
})
export type SecretReference = z.infer<typeof secretReference>

/** One version of a secret, valid now. */
export interface SecretVersion {
  readonly secret: Secret
  readonly version: string
  /** Epoch milliseconds, where Key Vault names an expiry. */
  readonly expiresAt?: number
}

/**
 * Reads a secret, its newest version unless one is named. Throws `ExchangeError` with reason `secret_*` or `vault_*`.
 * What it returns is enabled, past its `nbf` and before its `exp`.
 */
export type ReadSecret = (reference: SecretReference, version?: string) => Promise<SecretVersion>
