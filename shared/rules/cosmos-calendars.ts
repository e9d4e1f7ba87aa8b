import type { Follower } from '../cosmos-follower.ts'
import { withoutSystemProperties } from '../document.ts'
import { type Calendar, type Calendars, parseCalendar } from './calendar.ts'

type Document = Readonly<Record<string, unknown>>

/** The calendars that time windows name. */
export interface FollowedCalendars {
  /**
   * All of them, as they are now: the same map until one changes, and a map that was handed out never changes. Throws
   * 503 where the answer could be too old.
   */
  current(): Promise<Calendars>
}

/**
 * All calendars, in memory and kept in step by the change feed. One that was removed or cannot be read is not among
 * them, so whatever depends on it cannot be evaluated.
 */
export function cosmosCalendars(follow: (onChange: (document: Document) => void) => Follower): FollowedCalendars {
  const standing = new Map<string, Calendar>()
  let snapshot: Calendars | undefined
  const follower = follow(document => {
    const parsed = parseCalendar({ content: withoutSystemProperties(document), version: String(document['_etag']) })
    if ('calendar' in parsed) standing.set(String(document['id']), parsed.calendar)
    else standing.delete(String(document['id']))
    snapshot = undefined
  })
  return {
    async current() {
      await follower.ensureFresh()
      snapshot ??= new Map(standing)
      return snapshot
    },
  }
}
