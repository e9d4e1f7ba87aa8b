import type { JsonObject } from './json-object.ts'
import type { QuerySpec } from './sql.ts'

const comparison = /^(\w+)\.(\w+)\s*(>=|<=|>|<|=)\s*(@\w+)$/

const compare: Readonly<Record<string, (a: string, b: string) => boolean>> = {
  '=': (a, b) => a === b,
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
  '>': (a, b) => a > b,
  '>=': (a, b) => a >= b,
}

/**
 * A WHERE that compares members with texts and does nothing else, as a test that needs no engine; undefined for any other.
 * What is no text compares to none: https://learn.microsoft.com/azure/cosmos-db/nosql/query/equality-comparison-operators
 */
export function textComparisons(
  where: string,
  alias: string,
  { parameters }: Pick<QuerySpec, 'parameters'>,
): ((document: JsonObject) => boolean) | undefined {
  const tests = where.split(/\s+AND\s+/i).map(part => testOf(part.trim(), alias, parameters))
  return tests.every(test => test !== undefined) ? document => tests.every(test => test(document)) : undefined
}

function testOf(
  part: string,
  alias: string,
  parameters: QuerySpec['parameters'],
): ((document: JsonObject) => boolean) | undefined {
  const [, of, member = '', operator = '', name] = comparison.exec(part) ?? []
  const value = parameters.find(parameter => parameter.name === name)?.value
  const holds = compare[operator]
  if (of !== alias || holds === undefined || typeof value !== 'string') return undefined
  return document => {
    const found = document[member]
    return typeof found === 'string' && holds(found, value)
  }
}
