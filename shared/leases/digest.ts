import { createHash } from 'node:crypto'
import canonicalize from 'canonicalize'

/** SHA-256 in hexadecimal over the RFC 8785 form. Throws a `TypeError` for what JSON cannot hold. */
export function digest(value: unknown): string {
  const canonical = canonicalize(value)
  if (canonical === undefined) throw new TypeError('expected a value that JSON can hold')
  return createHash('sha256').update(canonical).digest('hex')
}
