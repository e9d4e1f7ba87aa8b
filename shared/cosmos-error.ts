import { describeCause } from './errors.ts'

/** Status and sub-status of an `@azure/cosmos` error, for the log: never its text, which quotes requests and hosts. */
export function fromCosmos(error: unknown): Readonly<Record<string, string | number>> {
  const substatus = typeof error === 'object' && error !== null && 'substatus' in error ? error.substatus : undefined
  return { ...describeCause(error), ...(typeof substatus === 'number' && { substatus }) }
}

/** The HTTP status that an `@azure/cosmos` error stands for, where it was an answer at all. */
export function cosmosStatus(error: unknown): number | undefined {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined
  return typeof code === 'number' ? code : undefined
}
