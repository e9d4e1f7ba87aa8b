import type { Container } from '@azure/cosmos'
import { idOf } from '../../shared/decisions/record-id.ts'
import type { LogDocument } from '../../shared/decisions/verify-document.ts'

/** Records are asked for by so many ids at once: a few megabytes at the most that records may have. */
const windowSize = 500
/** Beyond the ids that writers give. */
const endOfIds = '999999999999'

/**
 * The records of a stream in the order of their ids: by windows of ids, so that neither this process nor the service has to
 * sort a whole stream.
 */
export async function* readStream(container: Container, stream: string): AsyncGenerator<LogDocument> {
  let from: string | undefined = ''
  while (from !== undefined && from < endOfIds) {
    const to = endOfWindow(from)
    const resources = await readWindow(container, stream, { from, to })
    yield* inOrder(resources)
    from = resources.length === windowSize ? to : await firstIdFrom(container, stream, to)
  }
  if (from === undefined) return
  // Nobody of ours gave them. One is enough to tell, and there may be any number.
  const parameters = [{ name: '@least', value: endOfIds }]
  const query = { query: 'SELECT TOP 100 * FROM c WHERE c.id >= @least', parameters }
  const { resources } = await container.items.query<LogDocument>(query, { partitionKey: stream }).fetchAll()
  yield* inOrder(resources)
}

async function readWindow(container: Container, stream: string, { from, to }: { from: string; to: string }) {
  const query = 'SELECT * FROM c WHERE c.id >= @least AND c.id < @beyond'
  const parameters = [
    { name: '@least', value: from },
    { name: '@beyond', value: to },
  ]
  const found = container.items.query<LogDocument>({ query, parameters }, { partitionKey: stream })
  return (await found.fetchAll()).resources
}

/** Always beyond `from`, whatever id somebody may have given. */
function endOfWindow(from: string): string {
  const digits = /^\d{0,12}/.exec(from)?.[0] ?? ''
  const to = idOf(Math.max(1, Number(digits.padEnd(12, '0'))) + windowSize)
  return to.length > 12 ? endOfIds : to
}

async function firstIdFrom(container: Container, stream: string, id: string): Promise<string | undefined> {
  const query = 'SELECT VALUE MIN(c.id) FROM c WHERE c.id >= @id'
  const parameters = [{ name: '@id', value: id }]
  const { resources } = await container.items.query({ query, parameters }, { partitionKey: stream }).fetchAll()
  const first: unknown = resources[0]
  return typeof first === 'string' ? first : undefined
}

/** Documents in the order of their ids. */
export function inOrder(documents: readonly LogDocument[]): readonly LogDocument[] {
  return documents.toSorted((a, b) => (String(a['id']) < String(b['id']) ? -1 : 1))
}
