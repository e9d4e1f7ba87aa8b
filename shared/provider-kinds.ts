/** The words that a target's `provider` may be. The registry of credential providers has a line for each. */
export const providerKinds = ['key-vault-secret', 'mysql', 'postgresql'] as const

export type ProviderKind = (typeof providerKinds)[number]
