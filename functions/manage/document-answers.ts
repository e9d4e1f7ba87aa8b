import type { HttpResponseInit } from '@azure/functions'
import type { Stored } from '../../shared/document.ts'
import type { Changed } from '../../shared/document-change.ts'
import type { Proposed } from '../../shared/guarded-editor.ts'
import { jsonAnswer } from '../answer.ts'
import { inForceWithin } from './in-force.ts'
import { problem } from './problem.ts'

/** How one document of a kind is called in answers. */
export interface Named {
  readonly singular: string
}

/** What is told besides of a document that was saved. */
type Told = Readonly<Record<string, unknown>>

/** The answer to a change: made, proposed, or refused. */
export function answerChange(
  status: number,
  changed: Changed | Proposed,
  named: Named,
  told: Told = {},
): HttpResponseInit {
  switch (changed.kind) {
    case 'changed':
      return answerStored(status, changed.document, named, told)
    case 'proposed': {
      const { change, lapsesAt } = changed
      const next = 'It takes effect when another person with Rules.Approve approves it.'
      return jsonAnswer(202, { change, lapsesAt, next }, { location: `/manage/changes/${change}` })
    }
    case 'conflict':
      return problem(412, { detail: `the ${named.singular} is not at that version: read it again` })
    case 'invalid':
      return notSaved(named, changed.problems)
  }
}

/** The answer that shows a document and its version. */
export function answerStored(
  status: number,
  { content, version }: Stored<unknown>,
  { singular }: Named,
  told: Told = {},
): HttpResponseInit {
  return jsonAnswer(status, { [singular]: content, etag: version, inForceWithin, ...told }, { etag: version })
}

/** The answer to a document that is not acceptable. */
export function notSaved(
  { singular }: Named,
  problems: Extract<Changed, { kind: 'invalid' }>['problems'],
): HttpResponseInit {
  return problem(422, { detail: `the ${singular} was not saved`, problems })
}

/** The answer where there is no such document. */
export function notThere({ singular }: Named): HttpResponseInit {
  return problem(404, { detail: `there is no such ${singular}` })
}
