import { z } from 'zod'
import { decisionQuery } from '../manage/decisions.ts'
import { pageOf } from './answers.ts'
import { manageRow, type RouteRow } from './row.ts'

/** A record of the decision log: what it holds depends on its kind. */
const logRecord = z.looseObject({ kind: z.string().optional(), at: z.string().optional() })
const decisionRead = z.strictObject({ decisions: z.array(logRecord) })

/** The decision log. */
export const decisionRows: readonly RouteRow[] = [
  manageRow('decisions', {
    get: {
      summary: 'Searches the decision log.',
      roles: ['Decisions.Read'],
      query: decisionQuery,
      answers: { 200: pageOf('decisions', logRecord) },
      otherAnswers: { 200: { 'application/jsonl': z.string() } },
      headers: { 'x-causeway-continuation': 'Of JSON Lines: where the search goes on.' },
    },
  }),
  manageRow('decisions/{decision}', {
    get: {
      summary: 'Reads what is on record about a decision.',
      roles: ['Decisions.Read'],
      answers: { 200: decisionRead },
      errors: [404],
    },
  }),
]
