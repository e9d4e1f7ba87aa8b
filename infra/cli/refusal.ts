import type { Answer } from './gateway.ts'
import { printable } from './printable.ts'

/** What the gateway said no with, in lines: a problem document (RFC 9457) or an OAuth error. */
export function refusalLines({ status, body }: Answer): readonly string[] {
  const { detail, problems, error, error_description: description, decision_id: decision } = body
  const what = [detail ?? error, description].filter(text => typeof text === 'string').join(': ')
  const id = typeof decision === 'string' ? ` (decision ${decision})` : ''
  const lines = Array.isArray(problems) ? problems.map(problem => `  ${problemText(problem)}`) : []
  return [`${status} ${what || 'without a reason'}${id}`, ...lines].map(printable)
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
