/** What an error may say beside its status and text. */
export interface CosmosErrorDetail {
  /** `x-ms-substatus`. */
  readonly substatus?: number
  /** `x-ms-retry-after-ms`. */
  readonly retryAfterMs?: number
  /** `additionalErrorInfo` of the body: the query plan that a client needs in order to go on. */
  readonly info?: string
}

/**
 * An answer that is not a success, in Cosmos DB's own terms:
 * https://learn.microsoft.com/rest/api/cosmos-db/http-status-codes-for-cosmosdb
 */
export class CosmosError extends Error {
  readonly status: number
  readonly detail: CosmosErrorDetail

  constructor(status: number, message: string, detail: CosmosErrorDetail = {}) {
    super(message)
    this.name = 'CosmosError'
    this.status = status
    this.detail = detail
  }
}

const names: Readonly<Record<number, string>> = {
  400: 'BadRequest',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  405: 'MethodNotAllowed',
  408: 'RequestTimeout',
  409: 'Conflict',
  410: 'Gone',
  412: 'PreconditionFailed',
  413: 'RequestEntityTooLarge',
  429: 'TooManyRequests',
  449: 'RetryWith',
  503: 'ServiceUnavailable',
}

/** The `code` member of an error's body. */
export function codeOf(status: number): string {
  return names[status] ?? 'InternalServerError'
}
