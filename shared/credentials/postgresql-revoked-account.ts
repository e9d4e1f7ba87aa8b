import type { PoolClient } from 'pg'
import type { PostgresqlSettings } from './postgresql-settings.ts'

/** An account whose revocation is under way, on the revoker's connection. */
export interface RevokedAccount {
  readonly client: PoolClient
  readonly name: string
  readonly oid: number
  readonly ownedObjects: PostgresqlSettings['ownedObjects']
  readonly beside: Beside
  /** Aborts at the end of the run. */
  readonly signal: AbortSignal
}

/**
 * Lends a connection of the revoker's to another database of the server, for this work alone. Throws the driver's
 * errors, the server's refusal to let it in among them.
 */
export type Beside = <T>(database: string, work: (client: PoolClient) => Promise<T>) => Promise<T>
