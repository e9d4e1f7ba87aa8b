import type { OperationResponse, Response } from '@azure/cosmos'
import { cosmosStatus, fromCosmos } from '../cosmos-error.ts'
import type { FailureDetail, Outcome } from './stream-store.ts'

/** What the client returns of a transactional batch. */
export type BatchAnswer = Pick<Response<OperationResponse[]>, 'code' | 'result'>

/**
 * What says for certain that nothing was written. All else may have been: a time-out (408), a conflict of transactions
 * (449), a server that failed (5xx), a partition that moved (410).
 * https://learn.microsoft.com/rest/api/cosmos-db/http-status-codes-for-cosmosdb
 */
const refusals: readonly number[] = [400, 401, 403, 404, 413]
/** Where Cosmos DB does not say when to come again, in milliseconds. */
const throttlePause = 50

/** What is known after a batch that was answered: where one operation failed, 424 stands for those that were not done. */
export function outcomeOfBatch({ code, result = [] }: BatchAnswer): Outcome {
  const failed = result.find(({ statusCode }) => statusCode >= 300 && statusCode !== 424)
  if (failed) return outcomeOfStatus(failed.statusCode, { error: 'batch', code: String(failed.statusCode) })
  if (code === 200) return { kind: 'committed' }
  return { kind: 'unclear', detail: { error: 'batch', code: String(code) } }
}

/** What is known after the client threw. It wraps the error of a batch in another. */
export function outcomeOf(error: unknown): Outcome {
  const answer = cosmosStatus(error) === undefined && error instanceof Error ? (error.cause ?? error) : error
  const status = cosmosStatus(answer)
  const detail = fromCosmos(answer)
  return status === undefined ? { kind: 'unclear', detail } : outcomeOfStatus(status, detail, retryAfterOf(answer))
}

function outcomeOfStatus(status: number, detail: FailureDetail, afterMs = throttlePause): Outcome {
  if (status === 409) return { kind: 'conflict' }
  if (status === 429) return { kind: 'throttled', afterMs, detail }
  return refusals.includes(status) ? { kind: 'refused', status, detail } : { kind: 'unclear', detail }
}

function retryAfterOf(error: unknown): number | undefined {
  const after =
    typeof error === 'object' && error !== null && 'retryAfterInMs' in error ? error.retryAfterInMs : undefined
  return typeof after === 'number' && after >= 0 ? after : undefined
}
