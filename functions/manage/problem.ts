import type { HttpResponseInit } from '@azure/functions'
import { jsonAnswer } from '../answer.ts'

const titles = {
  400: 'Bad request',
  401: 'Not authenticated',
  403: 'Not allowed',
  404: 'Not found',
  405: 'Method not allowed',
  412: 'Changed meanwhile',
  422: 'Not acceptable as a document',
  428: 'Precondition required',
  500: 'Internal error',
  503: 'Not available',
} as const

export interface ProblemDetail {
  readonly detail: string
  /** What is wrong, by path. */
  readonly problems?: readonly string[]
  readonly headers?: Readonly<Record<string, string>>
}

/** An error of the management functions (RFC 9457). */
export function problem(status: keyof typeof titles, { detail, problems, headers }: ProblemDetail): HttpResponseInit {
  const body = { type: 'about:blank', title: titles[status], status, detail, ...(problems && { problems }) }
  return jsonAnswer(status, body, { 'content-type': 'application/problem+json', ...headers })
}
