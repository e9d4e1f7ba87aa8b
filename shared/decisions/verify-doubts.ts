import type { LogNotes } from './verify-log-notes.ts'
import type { Unproven } from './verify-unproven.ts'

/** One is made each minute; so much later, in milliseconds, somebody must have seen that none is. */
const longestWithout = 15 * 60_000

/** What an honest log may show, too, and what somebody who cannot sign may have done. */
export function doubtsOf(notes: LogNotes, unproven: readonly Unproven[]): readonly string[] {
  const { streams, checkpoints, copies, end } = notes
  const { last } = checkpoints
  const doubts: string[] = []
  if (copies && copies.compared + copies.beyond === 0)
    doubts.push('none of the copies is of a checkpoint that is there, or of a later one: nothing was compared')
  if (copies && copies.beyond > 0 && !copies.taken)
    doubts.push(`copies tell of ${copies.beyond} later checkpoints: they were made after the export, or cut from it`)
  if (last && end - Date.parse(last.at) > longestWithout) {
    const asked = new Date(end).toISOString()
    doubts.push(`the last checkpoint is of ${last.at}, though one is made each minute until ${asked}`)
  }
  const older = new Set(streams.filter(({ mayBeOlder }) => mayBeOlder).map(({ name }) => name))
  const late = unproven.filter(({ stream, after, closed }) => closed && !(after === null && older.has(stream)))
  if (late.length > 0) {
    const what = `records of ${late.length} ${late.length === 1 ? 'stream' : 'streams'}`
    doubts.push(`${what} were written after the last look at their hours, and no signed stream takes over from them`)
  }
  return doubts
}
