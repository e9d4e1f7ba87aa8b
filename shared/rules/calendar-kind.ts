import type { DocumentKind } from '../document-kind.ts'
import { parseCalendar } from './calendar.ts'

/** Calendars: checked by the code that reads them. */
export const calendarKind: DocumentKind = {
  container: 'calendars',
  async check(document, name) {
    const parsed = parseCalendar({ content: document, version: '' })
    if ('problems' in parsed) return parsed.problems
    const { id } = document as { readonly id: string }
    return id === name.id ? [] : [{ path: ['id'], detail: 'expected what the URL says' }]
  },
}
