import { recordHash } from './record-hash.ts'

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

/** The hash of a document; undefined for text that no record of ours can hold, which is no Unicode. */
export function hashOf(document: LogDocument): string | undefined {
  try {
    return recordHash(document)
  } catch {
    return undefined
  }
}

/** The number in an id of twelve digits, from 1; undefined for any other, and for the last, which no writer comes to. */
export function numberOf(id: unknown): number | undefined {
  return typeof id === 'string' && /^\d{12}$/.test(id) && Number(id) > 0 && id !== '999999999999'
    ? Number(id)
    : undefined
}

/** The id of a number. */
export function idOf(number: number): string {
  return String(number).padStart(12, '0')
}

/** An object of JSON, undefined for anything else. */
export function asDocument(value: unknown): LogDocument | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as LogDocument) : undefined
}
