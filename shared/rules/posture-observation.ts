import { type Problem, problemOfStructure, problemsIn } from '../document.ts'
import type { DocumentName } from '../document-kind.ts'
import { type SignalDocument, signalDocument } from './posture-signal.ts'

/** What a scanner says of a subject that the URL names. */
const observation = signalDocument.omit({ schema: true, id: true, of: true })
const named = signalDocument.pick({ id: true, of: true })

/** How far ahead the clock of a scanner may be: what it observed later than now would win for as long. Milliseconds. */
const clockTolerance = 60_000
const longestLife = 366 * 86_400_000

export type Observed = { readonly signal: SignalDocument } | { readonly problems: readonly Problem[] }

/** Whether a name can be a signal's: its id, and a kind with as many names as that kind has. */
export function isSignalName({ id, partition }: DocumentName): boolean {
  return named.safeParse({ id, of: partition }).success
}

/** Parses what was observed, at a time in epoch milliseconds. */
export function parseObservation({ id, partition }: DocumentName, body: unknown, now: number): Observed {
  const structure = problemOfStructure(body)
  if (structure) return { problems: [structure] }
  const parsed = observation.safeParse(body, { reportInput: true })
  if (!parsed.success) return { problems: problemsIn(parsed.error) }
  const signal = { schema: 1 as const, id, of: partition, ...parsed.data }
  const problems = untimely(signal, now)
  return problems.length > 0 ? { problems } : { signal }
}

function untimely({ observedAt, expiresAt }: SignalDocument, now: number): readonly Problem[] {
  const [observed, expires] = [Date.parse(observedAt), Date.parse(expiresAt)]
  return [
    ...(observed > now + clockTolerance ? [{ path: ['observedAt'], detail: 'expected a time that has been' }] : []),
    ...(expires <= now || expires <= observed ? [{ path: ['expiresAt'], detail: 'expected a time to come' }] : []),
    ...(expires > now + longestLife ? [{ path: ['expiresAt'], detail: 'expected 366 days from now at most' }] : []),
  ]
}
