import type { HttpRequest, HttpResponseInit } from '@azure/functions'
import { z } from 'zod'
import { problemsIn } from '../../shared/document.ts'
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

export type Parsed<T> = { readonly value: T } | { readonly refused: HttpResponseInit }

const notAcceptable = 'the query is not acceptable'

/**
 * Parses the query of a request. A name that the schema does not know is an error: a filter must not be passed over. So
 * is one that is there twice. Read from the URL: the host joins with a comma what is repeated.
 */
export function parseQuery<Schema extends z.ZodType>({ url }: HttpRequest, schema: Schema): Parsed<z.output<Schema>> {
  const { searchParams } = new URL(url)
  const repeated = [...new Set(searchParams.keys())].filter(name => searchParams.getAll(name).length > 1)
  if (repeated.length > 0) {
    const problems = repeated.map(name => ({ path: [name], detail: 'expected once' }))
    return { refused: problem(400, { detail: notAcceptable, problems }) }
  }
  return parseOr400(Object.fromEntries(searchParams), schema, notAcceptable)
}

/** Parses what was asked for, or says what is wrong with it. */
export function parseOr400<Schema extends z.ZodType>(
  asked: unknown,
  schema: Schema,
  detail: string,
): Parsed<z.output<Schema>> {
  const parsed = schema.safeParse(asked, { reportInput: true })
  if (parsed.success) return { value: parsed.data }
  return { refused: problem(400, { detail, problems: problemsIn(parsed.error) }) }
}

/** The answer to a continuation that no page has given. */
export function notAContinuation(): HttpResponseInit {
  return problem(400, { detail: 'continuation: expected what an earlier page said' })
}

/** The answer to another method than those of the route. */
export function methodNotAllowed(allow: string): HttpResponseInit {
  return problem(405, { detail: `expected ${allow}`, headers: { allow } })
}
