import { canonicalCopy } from '../canonical-form.ts'
import { ExchangeError } from '../errors.ts'
import type { DecisionEntry } from './record.ts'
import { fitTrace, withoutAnyClaims } from './record-trace.ts'
import type { Json } from './stream.ts'

/** A member of a record: its value, and the RFC 8785 form of it that is hashed and printed. */
export interface RecordMember {
  readonly name: string
  readonly value: Json
  readonly text: string
}

/** What a writer wants on record, apart from what he holds, who may change his. */
export interface RecordContent {
  readonly members: readonly RecordMember[]
  /** Bytes of its JSON. */
  readonly bytes: number
}

/** What a trace may take of a record; facts, rules and workload have bounds of their own that fit in the rest. */
const traceBytes = 12 * 1024

/**
 * Makes an entry JSON, once, in at most `room` bytes. Where the rest takes more than its share, the trace gives way, and
 * then the facts where nothing is released, and the claims of every other kind of entry. Throws `record_too_large`.
 */
export function recordContent(entry: DecisionEntry, room: number): RecordContent {
  const cuts = [
    () => fitTrace(entry, traceBytes),
    (excess: number) => fitTrace(entry, traceBytes - excess),
    () => fitTrace(withoutAnyClaims(entry), 0),
  ]
  let excess = 0
  for (const cut of cuts) {
    const members = recordMembers(cut(excess))
    const bytes = members.reduce((sum, { text }) => sum + Buffer.byteLength(text) + 1, 1)
    excess = bytes - room
    if (excess <= 0) return { members, bytes }
  }
  throw new ExchangeError('server_error', 'record_too_large')
}

/** The members of what is to be written, but for those without a value. */
export function recordMembers(content: object): readonly RecordMember[] {
  const members: RecordMember[] = []
  for (const [name, value] of Object.entries(content)) {
    if (value === undefined) continue
    const { form, copy } = copyOf(value)
    members.push({ name, value: copy as Json, text: `${JSON.stringify(name)}:${form}` })
  }
  return members
}

/** The RFC 8785 form of an object of these members. */
export function textOf(members: readonly RecordMember[]): string {
  const inOrder = members.toSorted((a, b) => (a.name < b.name ? -1 : 1))
  return `{${inOrder.map(({ text }) => text).join(',')}}`
}

/** RFC 8785 has no form for text that is no Unicode, nor for numbers that are none: what JSON would hold in their place. */
function copyOf(value: unknown): ReturnType<typeof canonicalCopy> {
  try {
    return canonicalCopy(value)
  } catch {
    return canonicalCopy(JSON.parse(JSON.stringify(value), wellFormed))
  }
}

function wellFormed(_member: string, value: unknown): unknown {
  if (typeof value === 'string') return value.toWellFormed()
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).map(([member, each]) => [member.toWellFormed(), each]))
}
