import type { PoolClient } from 'pg'
import type { RevocationEvidence } from './credential-provider.ts'

/** What a revocation saw, and what accounts of the same role left behind. */
export interface PostgresqlRevocationEvidence extends RevocationEvidence {
  /**
   * Functions with SECURITY DEFINER, and views and tables with rules, that the roles of the lease's scopes own in the
   * target's database: they go on working with the role's rights, whoever uses them. PostgreSQL does not say when they
   * were made, so it is all of them. Absent where no scope is a role, or the server would not say.
   */
  readonly definedByRoles?: number
}

/** Counts them. A session may act as every role that its scope's is a member of, and make them in that one's name. */
export async function countDefinedBy(client: PoolClient, roles: readonly string[]): Promise<number> {
  const { rows } = await client.query<{ found: number }>(
    `WITH owners AS (SELECT owner.oid FROM pg_roles AS owner JOIN pg_roles AS scope ON scope.rolname = ANY ($1)
                      WHERE pg_has_role(scope.oid, owner.oid, 'MEMBER'))
     SELECT ((SELECT count(*) FROM pg_proc WHERE prosecdef AND proowner IN (SELECT oid FROM owners))
       + (SELECT count(*) FROM pg_class WHERE relhasrules AND relowner IN (SELECT oid FROM owners)
           AND NOT EXISTS (SELECT FROM pg_options_to_table(reloptions)
                            WHERE option_name = 'security_invoker' AND option_value::bool)))::int AS found`,
    [roles],
  )
  return rows[0]?.found ?? 0
}
