import { problemsIn } from '../document.ts'
import type { DocumentKind } from '../document-kind.ts'
import { lockdownDocument } from './lockdown.ts'

/** Lockdowns: checked by the code that reads them. One that cannot be read locks everything. */
export const lockdownKind: DocumentKind = {
  container: 'lockdowns',
  async check(document, name) {
    const parsed = lockdownDocument.safeParse(document, { reportInput: true })
    if (!parsed.success) return problemsIn(parsed.error)
    return parsed.data.id === name.id ? [] : [{ path: ['id'], detail: 'expected what the URL says' }]
  },
}
