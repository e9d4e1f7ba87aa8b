import { Temporal } from 'temporal-polyfill'
import { z } from 'zod'

/**
 * An ISO 8601 duration such as `PT15M`, as milliseconds. Years and months are refused: their length depends on the
 * calendar. Bounds are in the same notation, so that the error can name them.
 */
export function duration({ min, max }: { readonly min: string; readonly max: string }) {
  const [least, most] = [milliseconds(min), milliseconds(max)]
  return z.string().transform((text, context) => {
    const value = milliseconds(text)
    if (value !== undefined && least !== undefined && most !== undefined && value >= least && value <= most)
      return value
    context.issues.push({
      code: 'custom',
      message: `expected an ISO 8601 duration from ${min} to ${max}, such as PT15M`,
      input: text,
    })
    return z.NEVER
  })
}

function milliseconds(text: string): number | undefined {
  try {
    return Temporal.Duration.from(text).total('milliseconds')
  } catch {
    return undefined
  }
}
