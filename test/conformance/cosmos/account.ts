import { randomUUID } from 'node:crypto'
import { type Container, CosmosClient } from '@azure/cosmos'
import { DefaultAzureCredential } from '@azure/identity'
import { realEndpoint, startStandIn } from './stand-in.ts'

/** The container that the conformance suite writes to: `conformance`, partition key `/target`, default TTL -1. */
export interface ConformanceAccount {
  readonly container: Container
  close(): Promise<void>
}

/**
 * The account under test: the stand-in, or the one that `CAUSEWAY_COSMOS_ENDPOINT` and `CAUSEWAY_COSMOS_DATABASE` name,
 * entered with whatever `DefaultAzureCredential` finds. There, the container has to exist.
 */
export async function openAccount(): Promise<ConformanceAccount> {
  if (realEndpoint) return openRealAccount(realEndpoint)
  const standIn = await startStandIn()
  return { container: standIn.database().container('conformance'), close: () => standIn.stop() }
}

/** A partition key that no other run has used. */
export function newTarget(): string {
  return `target-${randomUUID()}`
}

async function openRealAccount(endpoint: string): Promise<ConformanceAccount> {
  const database = process.env['CAUSEWAY_COSMOS_DATABASE']
  if (!database) throw new Error('CAUSEWAY_COSMOS_DATABASE has to name the database')
  const client = new CosmosClient({ endpoint, aadCredentials: new DefaultAzureCredential() })
  return { container: client.database(database).container('conformance'), close: async () => client.dispose() }
}
