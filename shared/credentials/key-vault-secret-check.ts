import { ExchangeError } from '../errors.ts'
import type { CheckStep } from './credential-provider.ts'
import type { SecretReference } from './secret-reference.ts'

/** What a check does with the secret of one scope: reads it and keeps nothing. Throws what reading it throws. */
export type TrySecret = () => Promise<{ readonly expiresAt?: number }>

/** One scope of a static secret: whether it is there, enabled and valid, and of the shape that the scope says. */
export async function checkSecret(scope: string, reference: SecretReference, attempt: TrySecret): Promise<CheckStep> {
  const { vault, secret } = reference
  const expected = `the secret "${secret}" of the vault "${vault}" is there, enabled, valid now and of its format`
  const step = { step: `secret ${scope}`, expected }
  try {
    const { expiresAt } = await attempt()
    const found = expiresAt === undefined ? 'so' : `so, until ${new Date(expiresAt).toISOString()}`
    return { ...step, ok: true, found }
  } catch (error) {
    if (!(error instanceof ExchangeError)) throw error
    const { reason } = error
    if (reason !== 'secret_forbidden') return { ...step, ok: false, found: `not so: ${reason}`, reason }
    return { ...step, ok: null, found: 'cannot be told: the identity that checks may not read it', reason }
  }
}
