/** A difference between two JSON values at one place. */
export interface Difference {
  /** JSON pointer (RFC 6901). */
  readonly pointer: string
  readonly before?: unknown
  readonly after?: unknown
}

/** Where two JSON values differ, lists compared as wholes unless they are as long. Members that are undefined are absent. */
export function differences(before: unknown, after: unknown, pointer = ''): readonly Difference[] {
  const [a, b] = [membersOf(before), membersOf(after)]
  const isAlike = a && b && Array.isArray(before) === Array.isArray(after)
  if (!isAlike || (Array.isArray(before) && Array.isArray(after) && before.length !== after.length)) {
    return JSON.stringify(before) === JSON.stringify(after) ? [] : [{ pointer: pointer || '/', before, after }]
  }
  return [...new Set([...a.keys(), ...b.keys()])].flatMap(name =>
    differences(a.get(name), b.get(name), `${pointer}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`),
  )
}

function membersOf(value: unknown): ReadonlyMap<string, unknown> | undefined {
  return typeof value === 'object' && value !== null ? new Map(Object.entries(value)) : undefined
}

/** A difference as a line. */
export function differenceLine({ pointer, before, after }: Difference): string {
  if (before === undefined) return `+ ${pointer}: ${JSON.stringify(after)}`
  if (after === undefined) return `- ${pointer}: ${JSON.stringify(before)}`
  return `~ ${pointer}: ${JSON.stringify(before)} -> ${JSON.stringify(after)}`
}
