import { z } from 'zod'

/** An id that an operator gives to a document: it stands in URLs, logs and rules. */
export const documentId = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'expected lower-case letters, digits and dashes, 63 at most')

/** Labels of issuers and targets, among them `environment`. */
export const labels = z
  .record(z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$/), z.string().max(128))
  .refine(record => Object.keys(record).length <= 16, 'expected 16 labels at most')

/** A scope's name as OAuth allows it (RFC 6749 section 3.3), bounded. */
export const scopeName = z.string().regex(/^[\x21\x23-\x5B\x5D-\x7E]{1,64}$/, 'expected an OAuth scope token')

/** A document as it is stored: its content, and the ETag that Cosmos DB gave to this version of it. */
export interface Stored<Content> {
  readonly content: Content
  readonly version: string
}

/** What replaces a document that was removed, so that the change feed can tell. Its TTL is far beyond the hard limit. */
export const tombstone = z.object({ id: z.string(), deleted: z.literal(true) })

/** What is wrong with a document, and where in it. */
export interface Problem {
  readonly path: readonly PropertyKey[]
  readonly detail: string
}

/** A path as a JSON pointer (RFC 6901). That of the whole document is the empty text. */
export function pointerTo(path: Problem['path']): string {
  return path.map(name => `/${String(name).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
}

/** A problem as one line for the log. */
export function problemText({ path, detail }: Problem): string {
  return `${z.core.toDotPath([...path]) || 'document'}: ${detail}`
}

const deepest = 16

/**
 * What keeps a document from being parsed, whatever its schema: undefined where nothing does. Schemas of records pass
 * over a member called `__proto__` as if it were not there, which could make a document say more than is written.
 */
export function problemOfStructure(document: unknown): Problem | undefined {
  const waiting = [{ value: document, depth: 0 }]
  for (let at = waiting.pop(); at; at = waiting.pop()) {
    const { value, depth } = at
    if (typeof value !== 'object' || value === null) continue
    if (depth === deepest) return { path: [], detail: `expected ${deepest} levels at most` }
    if (Object.hasOwn(value, '__proto__')) return { path: [], detail: 'expected no member called "__proto__"' }
    for (const member of Object.values(value)) waiting.push({ value: member, depth: depth + 1 })
  }
  return undefined
}

/** Takes off what Cosmos DB adds (`_etag`, `_ts` and so on), so that the rest can be parsed strictly. */
export function withoutSystemProperties(document: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(document).filter(([name]) => !name.startsWith('_')))
}

/**
 * The problems of a document in words an operator can act on: where, what was expected, and what was found where the
 * document was parsed with `reportInput`.
 */
export function problemsIn(error: z.ZodError): readonly Problem[] {
  return error.issues.map(issue => {
    const input = inputOf(issue)
    const found = input === undefined ? '' : `, found ${shortened(JSON.stringify(input))}`
    return { path: issue.path, detail: `${messageOf(issue)}${found}` }
  })
}

/** {@link problemsIn}, as lines for the log. */
export function describeProblems(error: z.ZodError): readonly string[] {
  return problemsIn(error).map(problemText)
}

/** Of a member that tells kinds of documents apart, zod reports the whole document. */
function inputOf({ code, path, input }: z.core.$ZodIssue): unknown {
  const member = path.at(-1)
  const isWhole = code === 'invalid_union' && typeof input === 'object' && input !== null && member !== undefined
  return isWhole && Object.hasOwn(input, member) ? Object.getOwnPropertyDescriptor(input, member)?.value : input
}

/** Of a record's key zod says no more than that it is not valid: its schema says what was expected. */
function messageOf(issue: z.core.$ZodIssue): string {
  return issue.code === 'invalid_key' ? (issue.issues[0]?.message ?? issue.message) : issue.message
}

function shortened(json: string): string {
  return json.length > 100 ? `${json.slice(0, 100)}…` : json
}
