import { describeFinding } from '../../shared/decisions/verify-finding.ts'
import type { TakenOver, Unproven } from '../../shared/decisions/verify-unproven.ts'
import type { LogVerdict } from '../../shared/decisions/verify-verdict.ts'
import { printable } from './printable.ts'

const shownLines = 50

/** A verdict for people to read. What comes from the log is made printable: an auditor's terminal believes it otherwise. */
export function showVerdict(verdict: LogVerdict): string {
  const { findings, doubts, checkpoints, unproven, takenOver, unresolved, omitted } = verdict
  const { last } = checkpoints
  return [
    headlineOf(verdict),
    ...limited(findings.map(describeFinding), '  FOUND  ', omitted.findings),
    ...limited(doubts, '  DOUBT  '),
    ...copiesLine(verdict),
    last
      ? `Unproven from ${last.at} on: what was written since the last checkpoint may have been altered or removed.`
      : 'Nothing is proven: there is no checkpoint with a good signature.',
    ...limited(unproven.map(showUnproven), '  not proven: ', omitted.unproven),
    ...limited(takenOver.map(showTakenOver), '  proven by its own process only: ', omitted.takenOver),
    ...limited(unresolved, '  may be there or not, and nothing in it was released: ', omitted.unresolved),
  ].join('\n')
}

function headlineOf({ proven, doubts, deployment, streams, records, checkpoints }: LogVerdict): string {
  const { count, first, last } = checkpoints
  const word = proven ? (doubts.length > 0 ? 'PROVEN, WITH DOUBTS' : 'PROVEN') : 'NOT PROVEN'
  const signed = first && last ? `: ${first.id} of ${first.at} to ${last.id} of ${last.at}` : ''
  const of = deployment === undefined ? '' : `. Deployment: ${deployment}`
  return printable(`${word}: ${records} records in ${streams} streams, ${count} signed checkpoints${signed}${of}`)
}

function copiesLine({ copies }: LogVerdict): readonly string[] {
  if (!copies) return []
  return [`Copies: ${copies.compared} of checkpoints that are there, ${copies.beyond} of later ones.`]
}

function showUnproven({ stream, after, records, closed }: Unproven): string {
  const where = after === null ? 'no checkpoint names it' : `after record ${after}`
  const late = closed ? '; written after the last look at this hour' : ''
  return `stream ${stream.slice(0, 200)}, ${where}: ${countOf(records)}${late}`
}

function showTakenOver({ stream, after, records, by }: TakenOver): string {
  const where = after === null ? 'no checkpoint names it' : `after record ${after}`
  return `stream ${stream.slice(0, 200)}, ${where}: ${countOf(records)}; stream ${by.slice(0, 200)} names the last`
}

function countOf(records: number): string {
  return `${records} ${records === 1 ? 'record' : 'records'}`
}

function limited(lines: readonly string[], label: string, omitted = 0): readonly string[] {
  const shown = lines.slice(0, shownLines).map(line => `${label}${printable(line)}`)
  const more = lines.length + omitted - shown.length
  return more > 0 ? [...shown, `  ... and ${more} more${omitted > 0 ? '' : ': --json tells all'}`] : shown
}
