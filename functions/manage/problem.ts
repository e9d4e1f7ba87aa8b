import type { HttpResponseInit } from '@azure/functions'
import { type Problem, pointerTo } from '../../shared/document.ts'
import { jsonAnswer } from '../answer.ts'

const titles = {
  400: 'Bad request',
  401: 'Not authenticated',
  403: 'Not allowed',
  404: 'Not found',
  405: 'Method not allowed',
  409: 'Conflict',
  410: 'Gone',
  412: 'Changed meanwhile',
  422: 'Not acceptable as a document',
  428: 'Precondition required',
  500: 'Internal error',
  503: 'Not available',
} as const

export interface ProblemDetail {
  readonly detail: string
  /** What is wrong with a document, and where. */
  readonly problems?: readonly Problem[]
  readonly headers?: Readonly<Record<string, string>>
}

/** An error of the management functions (RFC 9457). */
export function problem(status: keyof typeof titles, { detail, problems, headers }: ProblemDetail): HttpResponseInit {
  const found = problems?.map(one => ({ pointer: pointerTo(one.path), detail: one.detail }))
  const body = { type: 'about:blank', title: titles[status], status, detail, ...(found && { problems: found }) }
  return jsonAnswer(status, body, { 'content-type': 'application/problem+json', ...headers })
}
