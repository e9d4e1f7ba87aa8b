import { pointerTo } from './document.ts'

/** One difference between two versions of a document. A side is absent where the member is not there. */
export interface Difference {
  /** JSON pointer (RFC 6901). */
  readonly pointer: string
  readonly before?: unknown
  readonly after?: unknown
}

type Path = readonly (string | number)[]

/** What is different, member by member. Lists are compared place by place; an absent document has no member. */
export function diffOf(before: unknown, after: unknown): readonly Difference[] {
  return differences(before, after, [])
}

function differences(before: unknown, after: unknown, path: Path): readonly Difference[] {
  if (Object.is(before, after)) return []
  const names = namesIn(before, after)
  if (!names)
    return [
      { pointer: pointerTo(path), ...(before !== undefined && { before }), ...(after !== undefined && { after }) },
    ]
  return names.flatMap(name => differences(memberOf(before, name), memberOf(after, name), [...path, name]))
}

/** The members of both, where both are objects or both are lists. */
function namesIn(before: unknown, after: unknown): readonly string[] | undefined {
  if (typeof before !== 'object' || typeof after !== 'object' || before === null || after === null) return undefined
  if (Array.isArray(before) !== Array.isArray(after)) return undefined
  return [...new Set([...Object.keys(before), ...Object.keys(after)])]
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Object.getOwnPropertyDescriptor(value, name)?.value : undefined
}
