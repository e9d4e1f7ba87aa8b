import { orAborted } from '../or-aborted.ts'
import type { Permission } from './credential-provider.ts'

/** In milliseconds. Records take a few; others wait for the connection. */
const lent = 250

/**
 * Whether the decision is on record in so short a time that a mint which is ready keeps its connection for it. Throws as
 * `recorded` does, and 503 `deadline` where the signal comes first.
 */
export async function isRecordedSoon({ recorded, signal }: Permission): Promise<boolean> {
  const { promise: tooLong, resolve } = Promise.withResolvers<boolean>()
  const timer = setTimeout(resolve, lent, false)
  const soon = Promise.race([tooLong, recorded.then(() => true)])
  return orAborted(soon, signal).finally(() => clearTimeout(timer))
}
