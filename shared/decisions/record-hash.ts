import { canonicalDigest } from '../canonical-form.ts'

/** What Cosmos DB adds to a document. https://learn.microsoft.com/azure/cosmos-db/resource-model#azure-cosmos-db-items */
const systemMembers: ReadonlySet<string> = new Set(['_rid', '_self', '_etag', '_attachments', '_ts', '_lsn'])

/**
 * SHA-256 in hexadecimal over a document as it was written: its RFC 8785 form, without the members that Cosmos DB adds.
 * Throws a `TypeError` for what JSON cannot hold.
 */
export function recordHash(document: object): string {
  return canonicalDigest(withoutSystemMembers(document))
}

/** The {@link recordHash} of what somebody else may have written; undefined for text that is no Unicode, and has none. */
export function hashOf(document: object): string | undefined {
  try {
    return recordHash(document)
  } catch {
    return undefined
  }
}

/** A document as it was written. The document itself where it has none of them, as every record that is being written. */
export function withoutSystemMembers(document: object): object {
  const members = Object.entries(document)
  const written = members.filter(([member]) => !systemMembers.has(member))
  return written.length === members.length ? document : Object.fromEntries(written)
}
