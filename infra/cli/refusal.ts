import type { Answer } from './gateway.ts'
import { printable } from './printable.ts'

/** What the gateway said no with, in lines: a problem document (RFC 9457) or an OAuth error. */
export function refusalLines({ url, status, body }: Answer): readonly string[] {
  const { detail, problems, error, error_description: description, decision_id: decision } = body
  const what = [detail ?? error, description].filter(text => typeof text === 'string').join(': ')
  const id = typeof decision === 'string' ? ` (decision ${decision})` : ''
  const lines = Array.isArray(problems) ? problems.map(problem => `  ${problemText(problem)}`) : []
  return [`${status} ${what || withoutReason(status, url)}${id}`, ...lines].map(printable)
}

/** A gateway always says why. What is in front of it does not: the platform, a proxy, a page to sign in at. */
function withoutReason(status: number, url: string): string {
  return status === 413
    ? `what was sent is more than ${url} takes`
    : `from ${url}, which answers with something else than a Causeway gateway`
}

function problemText(problem: unknown): string {
  if (typeof problem === 'string') return problem
  if (typeof problem !== 'object' || problem === null) return JSON.stringify(problem)
  const { pointer, detail } = problem as { pointer?: unknown; detail?: unknown }
  return typeof detail === 'string'
    ? `${typeof pointer === 'string' ? pointer : ''}: ${detail}`
    : JSON.stringify(problem)
}

/** The same as one error. */
export function refusal(about: string, answer: Answer): Error {
  return new Error(`${about}: ${refusalLines(answer).join(';')}`)
}
