import type { PoolClient } from 'pg'
import type { PostgresqlSettings } from './postgresql-settings.ts'

/** An account whose revocation is under way, on the revoker's connection. */
export interface RevokedAccount {
  readonly client: PoolClient
  readonly name: string
  readonly oid: number
  readonly ownedObjects: PostgresqlSettings['ownedObjects']
}
