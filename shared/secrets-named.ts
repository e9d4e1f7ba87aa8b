import type { SecretReference } from './credentials/secret-reference.ts'

/** Every secret that a document names, wherever in it. */
export function secretsNamed(value: unknown): readonly SecretReference[] {
  if (typeof value !== 'object' || value === null) return []
  if ('vault' in value && 'secret' in value && typeof value.vault === 'string' && typeof value.secret === 'string') {
    return [{ vault: value.vault, secret: value.secret }]
  }
  return Object.values(value).flatMap(secretsNamed)
}

/** Whether two names are one secret's: Key Vault does not tell upper from lower case. */
export function isSameSecret(one: SecretReference, other: SecretReference): boolean {
  return one.vault === other.vault && one.secret.toLowerCase() === other.secret.toLowerCase()
}
