import { z } from 'zod'
import type { Change } from './changes.ts'

/** Where a document names another one. */
interface Reference {
  /** JSON pointer of the member, or of what is around it. */
  readonly at: string
  /** The other document, as {@link Change} has it. */
  readonly path: string
}

const texts = z.array(z.string()).catch([])
const window = z.object({ notOn: texts, onlyOn: texts })
const selector = z.looseObject({
  issuer: z.unknown().optional(),
  actor: z.looseObject({ issuer: z.unknown().optional() }).optional().catch(undefined),
})

/** The members by which rules, guardrails and issuers name other documents. Others are not looked at. */
const naming = z.looseObject({
  target: z.unknown().optional(),
  workloads: z.array(selector).catch([]),
  conditions: z.looseObject({ time: z.array(window).catch([]) }).catch({ time: [] }),
  actors: z.array(z.looseObject({ issuer: z.unknown().optional() })).catch([]),
})

/**
 * The earlier change that a document waits for: where all that is wrong with it, by JSON pointer, is at members that name
 * documents which are changed before it. Undefined where anything else is wrong.
 */
export function waitsFor(change: Change, wrongAt: readonly string[], earlier: readonly Change[]): string | undefined {
  const changed = new Set(earlier.map(({ path }) => path))
  const references = change.action === 'remove' ? [] : referencesOf(change).filter(({ path }) => changed.has(path))
  const causes = wrongAt.map(pointer => references.find(({ at }) => pointer === at || pointer.startsWith(`${at}/`)))
  return causes.every(cause => cause !== undefined) ? causes[0]?.path : undefined
}

function referencesOf({ kind, content }: Change): readonly Reference[] {
  const { target, workloads, conditions, actors } = naming.parse(content)
  if (kind.plural === 'issuers') return actors.flatMap(({ issuer }) => toDocument('/actors', 'issuers', issuer))
  if (kind.plural !== 'rules' && kind.plural !== 'guardrails') return []
  const issuers = workloads.flatMap(({ issuer, actor }) => [issuer, actor?.issuer])
  const calendars = conditions.time.flatMap(({ notOn, onlyOn }) => [...notOn, ...onlyOn])
  return [
    ...['/target', '/scopes'].flatMap(at => toDocument(at, 'targets', target)),
    ...issuers.flatMap(id => toDocument('/workloads', 'issuers', id)),
    ...calendars.flatMap(id => toDocument('/conditions/time', 'calendars', id)),
  ]
}

function toDocument(at: string, plural: string, id: unknown): readonly Reference[] {
  return typeof id === 'string' ? [{ at, path: `${plural}/${encodeURIComponent(id)}` }] : []
}
