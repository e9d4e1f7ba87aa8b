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

/** Most are of one unit, and need no library: a target may have a thousand rules, each with one. */
const ofOneUnit = /^PT(\d{1,6})([HMS])$/
const units: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000 }

function milliseconds(text: string): number | undefined {
  const [, count, unit = ''] = ofOneUnit.exec(text) ?? []
  const length = units[unit]
  if (length !== undefined) return Number(count) * length
  try {
    return Temporal.Duration.from(text).total('milliseconds')
  } catch {
    return undefined
  }
}
