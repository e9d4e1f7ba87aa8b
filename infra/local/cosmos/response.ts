import { randomUUID } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import type { Container } from './container.ts'
import { type CosmosError, codeOf } from './cosmos-error.ts'

/** An answer before it is sent. Header names in lower case. */
export interface CosmosResponse {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  /** JSON text. */
  readonly body?: string
}

/**
 * Headers of every answer about a container. The client keeps the session token under the container's resource id, so
 * both have to be there: https://learn.microsoft.com/rest/api/cosmos-db/common-cosmosdb-rest-response-headers
 */
export function containerHeaders(container: Container): Readonly<Record<string, string>> {
  return {
    'x-ms-session-token': `0:-1#${container.lsn}`,
    lsn: String(container.lsn),
    'x-ms-content-path': container.rid,
    'x-ms-alt-content-path': container.path,
  }
}

/** An error as the client expects to read it. */
export function errorResponse(error: CosmosError): CosmosResponse {
  const { substatus, retryAfterMs, info } = error.detail
  return {
    status: error.status,
    headers: {
      ...(substatus !== undefined && { 'x-ms-substatus': String(substatus) }),
      ...(retryAfterMs !== undefined && { 'x-ms-retry-after-ms': String(retryAfterMs) }),
    },
    body: JSON.stringify({
      code: codeOf(error.status),
      message: error.message,
      ...(info !== undefined && { additionalErrorInfo: info }),
    }),
  }
}

/** Sends an answer. Where the connection is gone already, it does nothing. */
export function send(outgoing: ServerResponse, { status, headers, body }: CosmosResponse): void {
  outgoing.writeHead(status, {
    'content-type': 'application/json',
    'x-ms-activity-id': randomUUID(),
    'x-ms-request-charge': '1',
    ...headers,
    ...(status !== 204 && status !== 304 && { 'content-length': String(Buffer.byteLength(body ?? '')) }),
  })
  outgoing.end(body)
}
