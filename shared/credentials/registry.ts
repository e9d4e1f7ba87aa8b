import { LRUCache } from 'lru-cache'
import type { ProviderKind } from '../provider-kinds.ts'
import type { FindProvider, Issuing, OpenProvider } from '../targets/target.ts'
import type { CredentialProvider } from './credential-provider.ts'
import { keyVaultSecret } from './key-vault-secret.ts'
import { mysql } from './mysql.ts'
import { postgresql } from './postgresql.ts'
import type { ReadSecret } from './secret-reference.ts'

/** Every credential provider: one line each. */
export function credentialProviders(dependencies: { readSecret: ReadSecret; now: () => number }): FindProvider {
  const providers: Readonly<Record<ProviderKind, CredentialProvider<unknown, unknown>>> = {
    'key-vault-secret': keyVaultSecret(dependencies.readSecret),
    postgresql: postgresql(dependencies),
    mysql: mysql(dependencies),
  }
  const byKind = new Map(Object.entries(providers))
  return kind => byKind.get(kind)
}

/** Opens providers, once for the same settings, so that targets share a pool only where all of it is the same. */
export function providerOpener(onError: (error: unknown) => void): { open: OpenProvider; close: () => Promise<void> } {
  const opened = new LRUCache<string, Issuing>({
    max: 1_000,
    dispose: (issuing, _key, why) => why === 'evict' && void closed(issuing).catch(onError),
  })

  return {
    open(provider, settings) {
      const key = JSON.stringify([provider.kind, settings])
      let issuing = opened.get(key)
      if (!issuing) {
        issuing =
          provider.issues === 'existing'
            ? { kind: 'existing', source: provider.open(settings) }
            : { kind: 'minted', minter: provider.open(settings), longestName: provider.longestName }
        opened.set(key, issuing)
      }
      return issuing
    },
    async close() {
      const all = [...opened.values()]
      opened.clear()
      await Promise.all(all.map(closed))
    },
  }
}

async function closed(issuing: Issuing): Promise<void> {
  if (issuing.kind === 'minted') await issuing.minter.close()
}
