/** Any document of an export, as it was read. */
export type LogDocument = Readonly<Record<string, unknown>>

export type LogDocumentKind = 'record' | 'registration' | 'checkpoint'

/** Which of the three containers a document is of, by its members; undefined where it is of none. */
export function kindOfDocument(document: LogDocument): LogDocumentKind | undefined {
  if (Object.hasOwn(document, 'heads') && Object.hasOwn(document, 'signature')) return 'checkpoint'
  if (typeof document['stream'] !== 'string' || typeof document['id'] !== 'string') return undefined
  if (Object.hasOwn(document, 'openedAt') && Object.hasOwn(document, 'boot')) return 'registration'
  return Object.hasOwn(document, 'previous') ? 'record' : undefined
}

/** An object of JSON, undefined for anything else. */
export function asDocument(value: unknown): LogDocument | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as LogDocument) : undefined
}

const longest = 100

/**
 * Any value of JSON in a few words, for a finding. Not `String`: that asks an object for its own `toString`, which may be
 * anything in a document that somebody else wrote.
 */
export function textOf(value: unknown): string {
  if (typeof value === 'string') return value.slice(0, longest)
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'a list' : 'an object'
  return String(value)
}
