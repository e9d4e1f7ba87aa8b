import { getRandomValues } from 'node:crypto'
import { v7 as uuid } from 'uuid'

const idBytes = 16
/** How many ids one question to the system's generator is enough for: each question costs as much as many ids. */
const idsAtOnce = 256

/** Makes ids of decisions: UUIDs of version 7 (RFC 9562 section 5.7), which sort by time. */
export function decisionIds(): () => string {
  const random = new Uint8Array(idBytes * idsAtOnce)
  let used = random.length
  return () => {
    if (used === random.length) {
      getRandomValues(random)
      used = 0
    }
    used += idBytes
    return uuid({ random: random.subarray(used - idBytes, used) })
  }
}
