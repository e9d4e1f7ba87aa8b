import { describeCause, type Reason, unavailable } from './errors.ts'

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

/** Whether what {@link askCosmos} threw is an answer that says no: nothing was written, and nothing will be. */
export function isRefusedByCosmos(error: unknown): boolean {
  const status = error instanceof Error ? cosmosStatus(error.cause) : undefined
  return status !== undefined && status >= 400 && status < 500 && status !== 408
}

/** The longest that anybody waits for Cosmos DB, in milliseconds: the client's own time-out leaves out the token. */
const patience = 4_000

/** Asks Cosmos DB, not for ever. Whatever goes wrong becomes 503 for that reason. */
export async function askCosmos<T>(reason: Reason, ask: () => Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('no answer')), patience)
  })
  try {
    return await Promise.race([ask(), late])
  } catch (cause) {
    throw unavailable(reason, { detail: fromCosmos(cause), cause })
  } finally {
    clearTimeout(timer)
  }
}
