import type { Difference } from '../../shared/document-diff.ts'
import { printable } from './printable.ts'

/** A difference as a line. That of a whole document is at the pointer `""`. */
export function differenceLine({ pointer, before, after }: Difference): string {
  const place = pointer === '' ? '""' : pointer
  if (before === undefined) return printable(`+ ${place}: ${JSON.stringify(after)}`)
  if (after === undefined) return printable(`- ${place}: ${JSON.stringify(before)}`)
  return printable(`~ ${place}: ${JSON.stringify(before)} -> ${JSON.stringify(after)}`)
}
