import type { HttpRequest, HttpResponseInit } from '@azure/functions'
import { z } from 'zod'
import { type Problem, problemsIn } from '../../shared/document.ts'
import { problem } from './problem.ts'

/** Text to search by. */
export const searchText = z.string().min(1).max(512)

/** Where an earlier page ended. */
export const continuation = z.string().min(1).max(16_384)

/** How many documents a page may have. The default is 100. */
export const pageLimit = (most: number) => z.coerce.number().int().min(1).max(most).default(100)

/** A time with its offset (RFC 3339), as `toISOString` writes it. */
export const instant = z.iso
  .datetime({ offset: true, error: 'expected a time such as 2026-11-22T08:00:00Z' })
  .transform(text => new Date(text).toISOString())

/** The query of a route that takes no parameters. */
export const noQuery = z.strictObject({})

/** The query of what can be tried before it is done. A word that is not known must not do what was only to be tried. */
export const dryRunQuery = z.strictObject({ dryRun: z.enum(['true', 'false']).optional() })

export type Parsed<T> = { readonly value: T } | { readonly refused: HttpResponseInit }

/**
 * Parses the query of a request. A name that the schema does not know is an error: neither a filter nor a wish to try
 * only may be passed over. So is one that is there twice. Read from the URL: the host joins with a comma what is repeated.
 */
export function parseQuery<Schema extends z.ZodType>({ url }: HttpRequest, schema: Schema): Parsed<z.output<Schema>> {
  const { searchParams } = new URL(url)
  const repeated = [...new Set(searchParams.keys())].filter(name => searchParams.getAll(name).length > 1)
  if (repeated.length > 0) return notAcceptable(about(repeated, 'expected once'))
  const parsed = schema.safeParse(Object.fromEntries(searchParams), { reportInput: true })
  if (parsed.success) return { value: parsed.data }
  const known = parsed.error.issues.filter(({ code }) => code !== 'unrecognized_keys')
  const unknown = about(unknownIn(parsed.error.issues), 'expected no such parameter')
  return notAcceptable([...unknown, ...problemsIn(new z.ZodError(known))])
}

function about(names: readonly string[], detail: string): readonly Problem[] {
  return names.map(name => ({ path: [name], detail }))
}

function notAcceptable(problems: readonly Problem[]): { readonly refused: HttpResponseInit } {
  return { refused: problem(400, { detail: 'the query is not acceptable', problems }) }
}

/** The names that a schema does not know; of alternatives, those that none of them knows. */
function unknownIn(issues: readonly z.core.$ZodIssue[]): readonly string[] {
  return issues.flatMap(issue => {
    if (issue.code === 'unrecognized_keys') return issue.keys
    if (issue.code !== 'invalid_union') return []
    const [first = [], ...others] = issue.errors.map(unknownIn)
    return first.filter(name => others.every(other => other.includes(name)))
  })
}

/** Parses a body, or says what is wrong with it. */
export function parseOr400<Schema extends z.ZodType>(asked: unknown, schema: Schema): Parsed<z.output<Schema>> {
  const parsed = schema.safeParse(asked, { reportInput: true })
  if (parsed.success) return { value: parsed.data }
  return { refused: problem(400, { detail: 'the body is not acceptable', problems: problemsIn(parsed.error) }) }
}

/** The answer to a continuation that no page has given. */
export function notAContinuation(): HttpResponseInit {
  return problem(400, { detail: 'continuation: expected what an earlier page said' })
}

/** The answer to another method than those of the route. */
export function methodNotAllowed(allow: string): HttpResponseInit {
  return problem(405, { detail: `expected ${allow}`, headers: { allow } })
}
