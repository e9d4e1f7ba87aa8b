import { ExchangeError } from './errors.ts'

const maxParameters = 32

/**
 * The parameters of a form that `known` names; those that `repeatable` names as lists. Parameters without a value count
 * as absent, unknown ones are ignored (RFC 6749 section 3.2). Throws `invalid_request` where one is repeated that may
 * not be, or where there are more than 32.
 */
export function readParameters(
  form: string,
  known: object,
  repeatable: readonly string[] = [],
): Readonly<Record<string, string | string[]>> {
  const collected: Record<string, string | string[]> = Object.create(null)
  for (const name of repeatable) collected[name] = []
  let count = 0
  for (const [name, value] of new URLSearchParams(form)) {
    if (++count > maxParameters) throw malformedForm(`expected at most ${maxParameters} parameters`)
    if (value === '' || !Object.hasOwn(known, name)) continue
    const previous = collected[name]
    if (Array.isArray(previous)) previous.push(value)
    else if (previous !== undefined) throw malformedForm(`${name} is repeated`)
    else collected[name] = value
  }
  return collected
}

/** The caller's form is wrong in a way that it can mend. */
export function malformedForm(description: string): ExchangeError {
  return new ExchangeError('invalid_request', 'malformed_request', { description })
}
