import { withoutSystemProperties } from '../document.ts'
import type { UnreadableLease } from './cosmos-leases.ts'
import { leaseDocument, type StoredLease } from './lease.ts'

/** A lease as Cosmos DB has it. Throws where it is none. */
export function parseLease(document: Readonly<Record<string, unknown>>): StoredLease {
  return { lease: leaseDocument.parse(withoutSystemProperties(document)), etag: String(document['_etag']) }
}

/** A lease as Cosmos DB has it, or the id of a document that is none. */
export function readLease(document: Readonly<Record<string, unknown>>): StoredLease | UnreadableLease {
  const parsed = leaseDocument.safeParse(withoutSystemProperties(document))
  if (parsed.success) return { lease: parsed.data, etag: String(document['_etag']) }
  return { unreadable: String(document['id']) }
}
