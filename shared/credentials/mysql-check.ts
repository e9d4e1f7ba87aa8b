import type { ExchangeError } from '../errors.ts'
import { type CheckedPlace, certificateStep, connectedSteps, failedSteps } from './connection-check.ts'
import type { CheckStep } from './credential-provider.ts'
import { answerOf, failureOfQuery } from './mysql-failure.ts'
import { type GrantLine, handsOnPrivileges, handsOnRole, hasGlobal, readGrant } from './mysql-grants-check.ts'
import { MysqlPool, type MysqlSession } from './mysql-pool.ts'
import { findUsers } from './mysql-revocation.ts'
import type { MysqlScope, MysqlSettings } from './mysql-settings.ts'
import type { ReadSecret } from './secret-reference.ts'

export interface MysqlCheck {
  readonly settings: MysqlSettings
  readonly scopes: Readonly<Record<string, MysqlScope>>
  readonly readSecret: ReadSecret
  readonly now: () => number
}

/**
 * Looks at a target through the login that revokes, over a connection of its own, and only reads. What the admin may do
 * the server tells only to who may read its tables of grants (SELECT on `mysql`.*): otherwise it cannot be told.
 */
export async function checkMysql(check: MysqlCheck, signal: AbortSignal): Promise<readonly CheckStep[]> {
  const { settings, readSecret } = check
  const login = settings.revoker ?? settings.admin
  const { host, port, tls } = settings
  const place: CheckedPlace = { host, port, login, ownAuthority: tls.ca !== undefined }
  const pool = new MysqlPool({ ...settings, connections: 1 }, login, readSecret)
  let connected: readonly CheckStep[] | undefined
  try {
    return await pool.use(async session => {
      const certificate = session.certificate()
      connected = [...connectedSteps(place), ...(certificate ? [certificateStep(certificate, check.now())] : [])]
      return [...connected, ...(await lookAround(session, check))]
    }, signal)
  } catch (error) {
    const failure = failureOfQuery(error)
    return connected ? [...connected, unanswered(failure)] : failedSteps(place, failure)
  } finally {
    await pool.close()
  }
}

function unanswered({ reason, detail }: ExchangeError): CheckStep {
  const found = `it does not (${String(detail['answer'] ?? detail['code'] ?? '')})`
  return { step: 'rights', ok: false, expected: 'the server tells what its logins may do', found, reason }
}

async function lookAround(session: MysqlSession, check: MysqlCheck): Promise<readonly CheckStep[]> {
  const { admin, revoker } = check.settings
  const own = await grantsOf(session, 'CURRENT_USER()')
  const revoking = [...(await sightSteps(session, admin.user)), ...revokerSteps(own, revoker?.user ?? admin.user)]
  if (!revoker) return [...revoking, ...adminSteps(own, check)]
  const found = await grantsOfAdmin(session, admin.user)
  return [...revoking, ...(typeof found === 'string' ? unknownAdmin(found, check) : adminSteps(found, check))]
}

/** It finds accounts only where it may read the names in `mysql`.`user`. */
async function sightSteps(session: MysqlSession, admin: string): Promise<readonly CheckStep[]> {
  const step = { step: 'see-accounts', expected: 'SELECT (Host, User) on mysql.user' }
  try {
    await findUsers(session, admin)
    return [{ ...step, ok: true, found: 'so' }]
  } catch (error) {
    return [{ ...step, ok: false, found: `not so (${answerOf(error) ?? 'no answer'})`, reason: 'target_refused' }]
  }
}

function revokerSteps(grants: readonly GrantLine[], user: string): readonly CheckStep[] {
  const kill = ['CONNECTION ADMIN', 'CONNECTION_ADMIN', 'SUPER']
  return [
    stepOf('drop-accounts', hasGlobal(grants, ['CREATE USER']), `"${user}" has CREATE USER`),
    stepOf('see-sessions', hasGlobal(grants, ['PROCESS']), `"${user}" has PROCESS`),
    stepOf('end-sessions', hasGlobal(grants, kill), `"${user}" has CONNECTION ADMIN`),
  ]
}

function adminSteps(grants: readonly GrantLine[], { settings, scopes }: MysqlCheck): readonly CheckStep[] {
  const { user } = settings.admin
  return [
    stepOf('create-accounts', hasGlobal(grants, ['CREATE USER']), `"${user}" has CREATE USER`),
    ...Object.entries(scopes).map(([name, scope]) => {
      const step = `grant-scope ${name}`
      const expected = expectedOf(scope, user)
      if ('statements' in scope) return { step, expected, ok: null, found: untold }
      const isGrantable =
        'role' in scope ? handsOnRole(grants, scope.role) : scope.grants.every(each => handsOnPrivileges(grants, each))
      return stepOf(step, isGrantable, expected)
    }),
  ]
}

/** What statements grant is the server's to read. */
const untold = 'cannot be told without running them'

function unknownAdmin(found: string, { settings, scopes }: MysqlCheck): readonly CheckStep[] {
  const { user } = settings.admin
  const unknown = { ok: null, found }
  return [
    { step: 'create-accounts', expected: `"${user}" has CREATE USER`, ...unknown },
    ...Object.entries(scopes).map(([name, scope]) => {
      return { step: `grant-scope ${name}`, expected: expectedOf(scope, user), ...unknown }
    }),
  ]
}

function expectedOf(scope: MysqlScope, user: string): string {
  if ('role' in scope) return `"${user}" may hand on the role "${scope.role}" (ADMIN OPTION)`
  if ('statements' in scope) return `"${user}" may hand on what its statements grant`
  return `"${user}" may hand on what it means at ${scope.grants.map(({ on }) => on).join(', ')} (GRANT OPTION)`
}

function stepOf(step: string, ok: boolean, expected: string): CheckStep {
  return { step, ok, expected, found: ok ? 'so' : 'not so' }
}

/** The grants of the one account of that user, or why they cannot be told. */
async function grantsOfAdmin(session: MysqlSession, user: string): Promise<readonly GrantLine[] | string> {
  const accounts = await session
    .rows<{ host: string }>("SELECT Host AS host FROM mysql.user WHERE User = ? AND Host <> ''", [user])
    .catch(() => [])
  const [account, another] = accounts
  if (!account || another) return `cannot be told: it sees ${accounts.length} accounts of that user`
  return grantsOf(session, `${session.escapeId(user)}@${session.escapeId(account.host)}`).catch(error => {
    const answer = answerOf(error)
    if (answer === undefined) throw error
    return `cannot be told: the revoker may not read the grants of others (${answer})`
  })
}

async function grantsOf(session: MysqlSession, account: string): Promise<readonly GrantLine[]> {
  const rows = await session.rows<Readonly<Record<string, unknown>>>(`SHOW GRANTS FOR ${account}`)
  return rows.flatMap(row => readGrant(String(Object.values(row)[0])) ?? [])
}
