import { hourLength, hourOfStream, startOfHour } from './checkpoint-hours.ts'
import { textOf } from './verify-document.ts'

/** A writer waits for seconds, and clocks differ by less, so that nothing of ours is ever found. In milliseconds. */
export const tolerance = 300_000

/**
 * Why a record of that time cannot stand in the stream, or below the checkpoint of `signedAt`, which is the first that
 * covers it: a stream has the records of its hour.
 */
export function misdated(at: unknown, stream: string, signedAt?: string): string | undefined {
  const [time, start] = [typeof at === 'string' ? Date.parse(at) : Number.NaN, startOfHour(hourOfStream(stream))]
  const said = `it says to be of ${textOf(at)}`
  if (!(time >= start - tolerance && time < start + hourLength + tolerance))
    return `${said}, outside of its stream's hour`
  if (signedAt === undefined || time <= Date.parse(signedAt) + tolerance) return undefined
  return `${said}, and was signed at ${signedAt}`
}
