import { problemsIn } from '../document.ts'
import type { DocumentKind } from '../document-kind.ts'
import { signalDocument } from './posture-signal.ts'

/** Posture signals: checked by the code that reads them. */
export const postureKind: DocumentKind = {
  container: 'posture',
  async check(document, name) {
    const parsed = signalDocument.safeParse(document, { reportInput: true })
    if (!parsed.success) return problemsIn(parsed.error)
    const { id, of } = parsed.data
    if (of !== name.partition) return [{ path: ['of'], detail: 'expected what the URL says' }]
    return id === name.id ? [] : [{ path: ['id'], detail: 'expected what the URL says' }]
  },
}
