import { ExchangeError } from '../errors.ts'
import type { DecisionEntry } from './record.ts'
import { fitTrace, withoutAnyClaims } from './record-trace.ts'
import type { JsonObject } from './stream.ts'

/** What a writer wants on record, as the value of which the hash, the bytes and the printed line are all made. */
export interface RecordContent {
  readonly value: JsonObject
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
    const text = JSON.stringify(cut(excess))
    const bytes = Buffer.byteLength(text)
    excess = bytes - room
    if (excess <= 0) return { value: parseContent(text), bytes }
  }
  throw new ExchangeError('server_error', 'record_too_large')
}

/** The value apart from its writer's, who may change his. RFC 8785 has no form for text that is no Unicode. */
function parseContent(text: string): RecordContent['value'] {
  return /\\ud[89a-f]/.test(text) ? JSON.parse(text, wellFormed) : JSON.parse(text)
}

function wellFormed(_member: string, value: unknown): unknown {
  if (typeof value === 'string') return value.toWellFormed()
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).map(([member, each]) => [member.toWellFormed(), each]))
}
