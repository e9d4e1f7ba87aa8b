import { z } from 'zod'

/** GRANT statements with named placeholders: `{account}` is the account, every other is an identifier of `names`. */
export interface GrantTemplates {
  readonly statements: readonly string[]
  readonly names: Readonly<Record<string, string>>
}

/** A statement cut up: words, placeholders and signs, in their order. */
export type Tokens = readonly string[]

/** What an engine asks of a statement beside the form: the problem that it has, or undefined. */
type EngineRule = (tokens: Tokens, names: GrantTemplates['names']) => string | undefined

const mostStatements = 32
const longestStatement = 512
const mostNames = 32

const placeholder = String.raw`\{[a-z][A-Za-z0-9_]{0,31}\}`
/** Nothing that could quote, end a statement or begin a comment; what needs other characters is a name's value. */
const text = new RegExp(`^(?:${placeholder}|[A-Za-z0-9_ .,()*[\\]])*$`)
const token = new RegExp(`${placeholder}|[A-Za-z0-9_]+|[.,()*[\\]]`, 'g')
/** Where they touched, two quoted names would read as one, or a word would change what the quotes after it mean. */
const touching = new RegExp(`[A-Za-z0-9_}]${placeholder}|${placeholder}[A-Za-z0-9_]`)
/** Words by which a grantee could hand on what it is granted, or would hold it from somebody else. */
const forbidden = ['WITH', 'OPTION', 'GRANTED']

/** The schema of such a scope. `name` is what the engine takes for an identifier. */
export function grantTemplates(name: z.ZodType<string, string>, engineRule: EngineRule = () => undefined) {
  return z
    .strictObject({
      statements: z.array(z.string().max(longestStatement)).min(1),
      names: z
        .record(z.string().regex(/^[a-z][A-Za-z0-9_]{0,31}$/, 'expected letters, digits and _'), name)
        .default({}),
    })
    .superRefine(({ statements, names }, context) => {
      if (statements.length > mostStatements)
        context.addIssue({ code: 'custom', path: ['statements'], message: `expected at most ${mostStatements}` })
      for (const [index, statement] of statements.entries()) {
        const message = problemOf(statement, names) ?? engineRule(tokensOf(statement), names)
        if (message !== undefined) context.addIssue({ code: 'custom', path: ['statements', index], message })
      }
      for (const message of problemsOfNames(statements, names))
        context.addIssue({ code: 'custom', path: ['names'], message })
    })
}

function tokensOf(statement: string): Tokens {
  return statement.match(token) ?? []
}

/** Only objects are granted, to the account alone, and nothing follows that could be an option. */
function problemOf(statement: string, names: GrantTemplates['names']): string | undefined {
  if (!text.test(statement))
    return 'expected letters, digits, _ and spaces, . , ( ) * [ ] and {placeholders}: anything else belongs into names'
  if (touching.test(statement)) return 'a placeholder touches a word or another placeholder'
  const tokens = tokensOf(statement)
  const count = (word: string) => tokens.filter(each => each.toUpperCase() === word).length
  if (tokens.filter(each => each === '{account}').length !== 1) return 'expected {account} exactly once'
  if (!/^GRANT .* ON .* TO \{account\}$/i.test(statement) || count('GRANT') !== 1 || count('TO') !== 1)
    return 'expected GRANT … ON … TO {account} and nothing after it; for the rights of a role a scope says "role"'
  const word = tokens.find(each => forbidden.includes(each.toUpperCase()))
  if (word !== undefined) return `${word}: what is granted may not be handed on`
  const unknown = placeholdersOf([statement]).find(each => each !== 'account' && !Object.hasOwn(names, each))
  return unknown === undefined ? undefined : `{${unknown}} is not among the names`
}

function problemsOfNames(statements: readonly string[], names: GrantTemplates['names']): readonly string[] {
  const given = Object.keys(names)
  const used = placeholdersOf(statements)
  return [
    ...(given.length > mostNames ? [`expected at most ${mostNames} names`] : []),
    ...given.filter(each => each === 'account').map(() => 'account is the account itself'),
    ...given.filter(each => !used.includes(each)).map(each => `no statement uses {${each}}`),
  ]
}

function placeholdersOf(statements: readonly string[]): readonly string[] {
  return statements.flatMap(tokensOf).flatMap(each => (each.startsWith('{') ? [each.slice(1, -1)] : []))
}

/** How an engine writes what stands for placeholders. */
export interface Filling {
  /** The account, quoted. */
  readonly account: string
  /** Quotes one name. `rest` is the text after its placeholder. */
  quote(name: string, rest: string): string
}

/** The statements, each once. What is filled in is never read for placeholders again. */
export function fillGrants(templates: readonly GrantTemplates[], { account, quote }: Filling): readonly string[] {
  const filled = templates.flatMap(({ statements, names }) =>
    statements.map(statement =>
      statement.replace(new RegExp(placeholder, 'g'), (found, at: number) => {
        const key = found.slice(1, -1)
        return key === 'account' ? account : quote(nameOf(names, key), statement.slice(at + found.length))
      }),
    ),
  )
  return [...new Set(filled)]
}

function nameOf(names: GrantTemplates['names'], key: string): string {
  const name = Object.hasOwn(names, key) ? names[key] : undefined
  if (name === undefined) throw new TypeError('a scope is checked when it is parsed')
  return name
}
