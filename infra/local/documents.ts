import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { CosmosClient, type Database } from '@azure/cosmos'
import { identities } from './access.ts'
import type { CertificateAuthority } from './certificate-authority.ts'
import { database } from './containers.ts'
import type { LocalCosmos } from './cosmos/server.ts'
import type { Tenant } from './tenant.ts'
import { firstRules, type Places, placedDocuments } from './world.ts'

export interface DocumentStore {
  readonly authority: CertificateAuthority
  readonly tenant: Tenant
  readonly cosmos: LocalCosmos
}

/** Makes this process trust the stand-ins' certificates, as `NODE_EXTRA_CA_CERTS` does for the gateway's. */
export function trust({ certificate }: CertificateAuthority): void {
  setDefaultCACertificates([...getCACertificates('bundled'), certificate])
}

/** The database through the real client, under the identity of whoever deploys: it may do all but delete. */
export function openDatabase({ authority, tenant, cosmos }: DocumentStore): { database: Database; close: () => void } {
  trust(authority)
  const { clientId, objectId } = identities.infra
  const getToken = async () => ({
    token: await tenant.sign({ aud: cosmos.url, azp: clientId, oid: objectId }),
    expiresOnTimestamp: Date.now() + 3_600_000,
  })
  const client = new CosmosClient({ endpoint: cosmos.url, aadCredentials: { getToken } })
  return { database: client.database(database), close: () => client.dispose() }
}

/** Puts the world's documents in place. Rules only where they are not there yet: they are the operators'. */
export async function putDocuments(store: DocumentStore, places: Places): Promise<void> {
  const { database, close } = openDatabase(store)
  try {
    for (const [container, documents] of Object.entries(placedDocuments(places))) {
      for (const document of documents) await database.container(container).items.upsert(document)
    }
    for (const rule of firstRules) await createUnlessThere(database, rule)
  } finally {
    close()
  }
}

async function createUnlessThere(database: Database, rule: (typeof firstRules)[number]): Promise<void> {
  const { resource } = await database.container('rules').item(rule.id, rule.target).read()
  if (!resource) await database.container('rules').items.create(rule)
}
