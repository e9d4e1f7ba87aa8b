import type { SecretReference } from './credentials/secret-reference.ts'

/** Every secret that a document names, wherever in it. */
export function secretsNamed(value: unknown): readonly SecretReference[] {
  if (typeof value !== 'object' || value === null) return []
  if ('vault' in value && 'secret' in value && typeof value.vault === 'string' && typeof value.secret === 'string') {
    return [{ vault: value.vault, secret: value.secret }]
  }
  return Object.values(value).flatMap(secretsNamed)
}

/** Whether two references are to one secret. */
export type SameSecret = (one: SecretReference, other: SecretReference) => boolean

/** Tells it by where the vaults are: two aliases may be one vault's, and Key Vault does not tell upper from lower case. */
export function secretComparison(vaults: ReadonlyMap<string, URL>): SameSecret {
  const placeOf = (alias: string) => vaults.get(alias)?.origin ?? alias
  return (one, other) =>
    placeOf(one.vault) === placeOf(other.vault) && one.secret.toLowerCase() === other.secret.toLowerCase()
}
