import { describeFinding } from '../../shared/decisions/verify-finding.ts'
import type { LogVerdict, Unproven } from '../../shared/decisions/verify-verdict.ts'

const shownLines = 50

/** A verdict for people to read. */
export function showVerdict(verdict: LogVerdict): string {
  const { proven, findings, checkpoints, streams, records, unproven, unresolved } = verdict
  const { count, first, last } = checkpoints
  const signed = first && last ? `: ${first.id} of ${first.at} to ${last.id} of ${last.at}` : ''
  return [
    `${proven ? 'PROVEN' : 'NOT PROVEN'}: ${records} records in ${streams} streams, ${count} signed checkpoints${signed}`,
    ...limited(findings.map(finding => `  FOUND  ${describeFinding(finding)}`)),
    last
      ? `Unproven from ${last.at} on: what was written since the last checkpoint may have been altered or removed.`
      : 'Nothing is proven: there is no checkpoint with a good signature.',
    ...limited(unproven.map(showUnproven)),
    ...limited(unresolved.map(range => `  may be there or not: ${range}; nothing in it was released`)),
  ].join('\n')
}

function showUnproven({ stream, after, records, closed }: Unproven): string {
  const where = after === null ? 'no checkpoint names it' : `after record ${after}`
  const late = closed ? '; written after the last look at this hour' : ''
  return `  not proven: stream ${stream}, ${where}: ${records} ${records === 1 ? 'record' : 'records'}${late}`
}

function limited(lines: readonly string[]): readonly string[] {
  const more = lines.length - shownLines
  return more > 0 ? [...lines.slice(0, shownLines), `  ... and ${more} more: --json tells all`] : lines
}
