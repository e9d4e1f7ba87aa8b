import type { Stored } from '../document.ts'
import type { Reason } from '../errors.ts'
import type { WorkloadIssuer } from '../workload/workload.ts'
import { type Calendars, parseCalendar } from './calendar.ts'
import { decide } from './decide.ts'
import type { DocumentDraft } from './document-draft.ts'
import type { EvaluatedTarget } from './evaluate.ts'
import type { Facts } from './facts.ts'
import type { Verdict } from './impact.ts'
import type { Ruleset } from './ruleset.ts'

/** An issuer as rules see it, and whether its tokens count. */
export interface SeenIssuer {
  readonly facts: WorkloadIssuer
  readonly enabled: boolean
}

/** How documents are seen by those who do not own them; undefined where there is none, or it cannot be read. */
export interface DocumentSight {
  readonly issuer: (content: unknown) => SeenIssuer | undefined
  readonly target: (content: unknown) => EvaluatedTarget | undefined
}

/** What documents make of a request before its rules are asked: facts, or why it would be refused. */
type Seen = Facts | { readonly refused: Reason }
type See = (facts: Facts) => Seen

/** How requests are judged: by facts as documents are now, or would be, and by rules and calendars. */
export interface View {
  readonly see: See
  readonly calendars: Calendars
}

/** A draft's view beside that of now. `touches`: the requests on which they can differ by anything but rules. */
export interface Views {
  readonly touches: (facts: Facts) => boolean
  readonly current: View
  readonly drafted: View
}

/** The views before and after a change of a document, of which rules alone may be judged otherwise where it is a rule. */
export function viewsOf(
  { container, name: { id }, document }: DocumentDraft,
  stored: Stored<unknown> | undefined,
  { sight, calendars }: { readonly sight: DocumentSight; readonly calendars: Calendars },
): Views {
  const view = (see: See, known = calendars): View => ({ see, calendars: known })
  const contents = [stored?.content, document] as const
  switch (container) {
    case 'issuers': {
      const [current, drafted] = contents.map(content => view(withIssuer(id, sight.issuer(content))))
      const touches = ({ workload, actor }: Facts) => [workload, actor].some(who => who?.issuer.id === id)
      return both(touches, current, drafted)
    }
    case 'targets': {
      const [current, drafted] = contents.map(content => view(withTarget(sight.target(content))))
      return both(({ target }) => target.id === id, current, drafted)
    }
    case 'calendars':
      return both(() => true, view(asRecorded), view(asRecorded, withCalendar(calendars, id, document)))
    case 'rules':
    case 'lockdowns':
    case 'posture':
      return both(() => true, view(asRecorded), view(asRecorded))
  }
}

function both(touches: Views['touches'], current: View | undefined, drafted: View | undefined): Views {
  if (!current || !drafted) throw new TypeError('expected two views')
  return { touches, current, drafted }
}

/** What would be decided of a request as it is seen. */
export function verdictOf({ see, calendars }: View, ruleset: Ruleset, facts: Facts): Verdict {
  const seen = see(facts)
  if ('refused' in seen) return { outcome: 'denied', reason: seen.refused, rules: [], trace: [] }
  return decide({ ...ruleset, calendars }, seen)
}

/** The calendars with a draft of one among them. One that cannot be read is not there. */
export function withCalendar(calendars: Calendars, id: string, document: unknown): Calendars {
  const parsed = parseCalendar({ content: document, version: 'draft' })
  const others = [...calendars].filter(([known]) => known !== id)
  return new Map('calendar' in parsed ? [...others, [id, parsed.calendar]] : others)
}

const asRecorded: See = facts => facts

function withIssuer(id: string, seen: SeenIssuer | undefined): See {
  return facts => {
    if (!seen) return { refused: 'issuer_unknown' }
    if (!seen.enabled) return { refused: 'issuer_disabled' }
    const issued = <Who extends Facts['workload']>(who: Who) =>
      who.issuer.id === id ? { ...who, issuer: seen.facts } : who
    return { ...facts, workload: issued(facts.workload), ...(facts.actor && { actor: issued(facts.actor) }) }
  }
}

function withTarget(seen: EvaluatedTarget | undefined): See {
  return facts => {
    if (!seen) return { refused: 'target_unknown' }
    return seen.enabled ? { ...facts, target: seen.facts } : { refused: 'target_disabled' }
  }
}
