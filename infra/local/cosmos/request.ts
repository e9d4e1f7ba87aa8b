import type { IncomingMessage } from 'node:http'
import { CosmosError } from './cosmos-error.ts'

/** One request, read completely: the path in decoded segments, the body as text. */
export interface CosmosRequest {
  readonly method: string
  readonly path: readonly string[]
  readonly body: string
  /** A header's value; names in lower case. Duplicates are joined. */
  header(name: string): string | undefined
}

/** Item and request size alike: https://learn.microsoft.com/azure/cosmos-db/concepts-limits#per-item-limits */
const maxBytes = 2 * 1024 * 1024

/** Reads a request. Throws a 413 above 2 MB, having read on to its end, so that the connection stays usable. */
export async function readRequest(incoming: IncomingMessage): Promise<CosmosRequest> {
  const body = await readBody(incoming)
  return {
    method: incoming.method ?? 'GET',
    path: segments(incoming.url ?? '/'),
    body,
    header: name => {
      const value = incoming.headers[name]
      return Array.isArray(value) ? value.join(',') : value
    },
  }
}

/** True where a header says yes. The clients write `true` and `True`. */
export function isSet(request: CosmosRequest, header: string): boolean {
  return request.header(header)?.toLowerCase() === 'true'
}

async function readBody(incoming: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of incoming) {
    size += chunk.length
    if (size <= maxBytes) chunks.push(chunk)
  }
  if (size > maxBytes) throw new CosmosError(413, 'Request size is too large')
  return Buffer.concat(chunks).toString('utf8')
}

function segments(url: string): string[] {
  const [path = ''] = url.split('?', 1)
  try {
    return path.split('/').filter(Boolean).map(decodeURIComponent)
  } catch {
    throw new CosmosError(400, 'The request path is not valid')
  }
}
