/** What documents of a list have to say, by the name of the filter. */
export type DocumentFilter = Readonly<Partial<Record<FilterName, string | undefined>>>
export type FilterName = keyof typeof members | 'standing'

/** A condition in Cosmos DB's SQL. What was asked for is never in its text. */
export interface FilterCondition {
  readonly sql: string
  readonly parameters: readonly { readonly name: string; readonly value: string | boolean }[]
}

/** The member that each filter is about, and what leaving it out means. */
const members = {
  state: { absent: 'enforced' },
  effect: { absent: undefined },
  provider: { absent: undefined },
  kind: { absent: undefined },
  enabled: { absent: 'true' },
} as const

/** The conditions of a filter, at a time in epoch milliseconds. */
export function filterConditions({ standing, ...named }: DocumentFilter, now: number): readonly FilterCondition[] {
  const conditions = (Object.keys(members) as (keyof typeof members)[]).flatMap(name => {
    const value = named[name]
    return value === undefined ? [] : [memberCondition(name, value)]
  })
  return standing === undefined ? conditions : [...conditions, standingCondition(standing === 'true', now)]
}

function memberCondition(name: keyof typeof members, value: string): FilterCondition {
  const isSo = `c.${name} = @${name}`
  const stored = name === 'enabled' ? value === 'true' : value
  const orAbsent = members[name].absent === value ? ` OR NOT IS_DEFINED(c.${name})` : ''
  return { sql: `(${isSo}${orAbsent})`, parameters: [{ name: `@${name}`, value: stored }] }
}

/** What never expires stands. Times are compared as texts: within the second of its end, a lockdown counts as either. */
function standingCondition(stands: boolean, now: number): FilterCondition {
  const sql = stands
    ? '(NOT IS_DEFINED(c.expiresAt) OR c.expiresAt > @now)'
    : '(IS_DEFINED(c.expiresAt) AND c.expiresAt <= @now)'
  return { sql, parameters: [{ name: '@now', value: new Date(now).toISOString() }] }
}
