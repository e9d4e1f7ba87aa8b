import { type MysqlGrant, placeOf } from './mysql-settings.ts'

/** A line of SHOW GRANTS, read. What it says of a password stays where it was. */
export type GrantLine =
  | {
      readonly kind: 'privileges'
      readonly privileges: readonly string[]
      readonly database: string
      readonly table: string
      readonly handsOn: boolean
    }
  | { readonly kind: 'roles'; readonly roles: readonly string[]; readonly handsOn: boolean }

const name = '(\\*|`(?:[^`]|``)*`)'
const privilegesLine = new RegExp(`^GRANT ([^\`]+|[^\`]+\\(.*\\)[^\`]*) ON (?:TABLE )?${name}\\.${name} TO (.*)$`)
const rolesLine = /^GRANT ((?:`(?:[^`]|``)*`(?:@`[^`]*`)?,? ?)+) TO (.*)$/

/** Reads a line of SHOW GRANTS of MySQL or MariaDB; undefined for what is neither, such as PROXY. */
export function readGrant(line: string): GrantLine | undefined {
  const [, privileges, database, table, rest = ''] = privilegesLine.exec(line) ?? []
  if (privileges !== undefined && database !== undefined && table !== undefined) {
    const handsOn = /\bGRANT OPTION\b/.test(rest)
    return {
      kind: 'privileges',
      privileges: listOf(privileges),
      database: patternOf(database),
      table: unquoted(table),
      handsOn,
    }
  }
  const [, roles, tail = ''] = rolesLine.exec(line) ?? []
  if (roles === undefined) return undefined
  const names = [...roles.matchAll(/`((?:[^`]|``)*)`(?:@`[^`]*`)?/g)].map(([, each = '']) => each.replaceAll('``', '`'))
  return { kind: 'roles', roles: names, handsOn: /\bADMIN OPTION\b/.test(tail) }
}

/** Whether the account has one of these for the whole server. */
export function hasGlobal(lines: readonly GrantLine[], anyOf: readonly string[]): boolean {
  return lines.some(
    line =>
      line.kind === 'privileges' &&
      line.database === '*' &&
      line.privileges.some(each => anyOf.includes(each) || each === 'ALL PRIVILEGES'),
  )
}

/** Whether the account may hand on every one of the privileges. */
export function handsOnPrivileges(lines: readonly GrantLine[], { privileges, on }: MysqlGrant): boolean {
  const { database, table } = placeOf(on)
  const covering = lines.filter(
    line =>
      line.kind === 'privileges' &&
      line.handsOn &&
      (line.database === '*' || (line.database === database && (line.table === '*' || line.table === table))),
  )
  const held = covering.flatMap(line => (line.kind === 'privileges' ? line.privileges : []))
  return held.includes('ALL PRIVILEGES') || privileges.every(privilege => held.includes(privilege))
}

export function handsOnRole(lines: readonly GrantLine[], role: string): boolean {
  return lines.some(line => line.kind === 'roles' && line.handsOn && line.roles.includes(role))
}

/** What has columns in parentheses is not had for the table. */
function listOf(privileges: string): readonly string[] {
  return privileges
    .replace(/([A-Z ]+)\([^)]*\)/g, '')
    .split(',')
    .map(each => each.trim())
    .filter(each => each !== '')
}

/** The database of a grant is a pattern, in which `\_` is a plain underscore. */
function patternOf(database: string): string {
  return unquoted(database).replace(/\\([%_\\])/g, '$1')
}

function unquoted(quoted: string): string {
  return quoted === '*' ? '*' : quoted.slice(1, -1).replaceAll('``', '`')
}
