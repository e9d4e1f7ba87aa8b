import { z } from 'zod'
import type { RegisteredFunction } from './core-module.ts'
import { triggersOf } from './triggers.ts'

/** An HTTP function at its address. */
export interface Route {
  readonly called: RegisteredFunction
  /** The name of its trigger binding. */
  readonly trigger: string
  readonly methods: ReadonlySet<string>
  readonly path: Path
}

/** A compiled route template. */
interface Path {
  readonly pattern: RegExp
  readonly parameters: readonly string[]
  /** Sorts routes: text before a parameter before a catch-all, segment by segment. */
  readonly precedence: string
}

/** Where a request goes, with the values of its route parameters. */
export interface Match {
  readonly route: Route
  readonly params: Record<string, string>
}

export type FindRoute = (method: string, path: string) => Match | undefined

const httpTrigger = z.object({ route: z.string().optional(), methods: z.array(z.string()) })

/**
 * Compiles the routes of all HTTP functions. A request that fits a route but none of its methods finds nothing, and
 * HEAD is not served by GET: the real host answers 404 to both (azure-functions-host issues 10098, 11625).
 *
 * Throws for a route that the real host keeps for itself.
 */
export function createRoutes(functions: Iterable<RegisteredFunction>, prefix: string): FindRoute {
  const routes = triggersOf(functions, 'httpTrigger')
    .map(({ called, name, binding }) => createRoute(called, name, httpTrigger.parse(binding), prefix))
    .sort((one, other) => one.path.precedence.localeCompare(other.path.precedence))
  return (method, path) => find(routes, method, path)
}

function find(routes: readonly Route[], method: string, path: string): Match | undefined {
  for (const route of routes) {
    if (!route.methods.has(method)) continue
    const values = route.path.pattern.exec(path)
    if (values) return { route, params: readParameters(route.path, values) }
  }
  return undefined
}

function readParameters({ parameters }: Path, values: readonly string[]): Record<string, string> {
  const params: Record<string, string> = {}
  parameters.forEach((name, index) => {
    const value = values[index + 1]
    if (value) params[name] = decode(value)
  })
  return params
}

/** ASP.NET decodes a path but for its encoded slashes. */
function decode(value: string): string {
  try {
    return value.split(/%2f/i).map(decodeURIComponent).join('%2F')
  } catch {
    return value
  }
}

function createRoute(
  called: RegisteredFunction,
  trigger: string,
  { route, methods }: z.infer<typeof httpTrigger>,
  prefix: string,
): Route {
  const own = (route || called.metadata.name).replace(/^\//, '')
  if (/^(admin|runtime)/i.test(own)) {
    throw new Error(
      `function ${called.metadata.name}: The specified route conflicts with one or more built in routes (${own})`,
    )
  }
  const template = prefix ? `${prefix}/${own}` : own
  return { called, trigger, methods: new Set(methods.map(method => method.toUpperCase())), path: compile(template) }
}

// {name}, {name?}, {name:constraint}, {*rest}: constraints narrow what ASP.NET accepts, and are passed over here.
const parameter = /\{(\*{0,2})([\w-]+)(?::[^{}]*?)?(\?)?\}/

function compile(template: string): Path {
  const parameters: string[] = []
  const segments = template.split('/').filter(Boolean)
  const source = segments.map(segment => compileSegment(segment, parameters)).join('')
  const precedence = segments.map(rank).join('')
  return { parameters, precedence, pattern: new RegExp(`^${source}/?$`, 'i') }
}

function rank(segment: string): string {
  if (!segment.includes('{')) return '0'
  return segment.startsWith('{*') ? '3' : segment.startsWith('{') ? '2' : '1'
}

function compileSegment(segment: string, parameters: string[]): string {
  const [text = '', ...rest] = segment.split(parameter)
  let source = `/${escapeText(text)}`
  // Each parameter leaves four parts behind: its stars, name and question mark, and the text up to the next one.
  for (let at = 0; at < rest.length; at += 4) {
    const [stars, name = '', optional, after = ''] = rest.slice(at, at + 4)
    parameters.push(name)
    const value = stars ? '(.*)' : '([^/]+)'
    source = optional || stars ? `(?:${source}${value})?` : `${source}${value}`
    source += escapeText(after)
  }
  return source
}

function escapeText(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}
