import { type Container, CosmosClient } from '@azure/cosmos'
import type { TokenCredential } from '@azure/identity'
import { dayLength, hourLength, hourOf, hourOfStream, hoursFrom } from '../../shared/decisions/checkpoint-hours.ts'
import { idOf } from '../../shared/decisions/record-id.ts'
import { asDocument, kindOfDocument, type LogDocument, textOf } from '../../shared/decisions/verify-document.ts'
import type { Finding } from '../../shared/decisions/verify-finding.ts'
import type { OpenLog } from './verify-log.ts'

export interface CosmosLogOptions {
  readonly endpoint: string
  readonly database: string
  readonly credential: TokenCredential
  /** Epoch milliseconds. */
  readonly from: number
  readonly to: number
}

/** Records are asked for by so many ids at once: a few megabytes at the most that records may have. */
const windowSize = 500
const parallel = 16
const reportedDocuments = 100

/** Reads the log from Cosmos DB: checkpoints by day, registrations by hour, records by stream. */
export function openCosmosLog({ endpoint, database, credential, from, to }: CosmosLogOptions): OpenLog {
  const client = new CosmosClient({
    endpoint,
    aadCredentials: credential,
    connectionPolicy: { enableBackgroundEndpointRefreshing: false },
  })
  const container = (id: string) => client.database(database).container(id)
  const streams = new Set<string>()
  const isInRange = (stream: string) => hourOfStream(stream) >= hourOf(from) && hourOfStream(stream) <= hourOf(to - 1)
  const note = (stream: unknown) => {
    if (typeof stream === 'string' && isInRange(stream)) streams.add(stream)
  }

  const problems: Finding[] = []

  /** What stands in another container than its own would be believed for what it is not. */
  function isOf(kind: 'checkpoint' | 'registration', document: LogDocument): boolean {
    if (kindOfDocument(document) === kind) return true
    const because = `it stands among ${kind}s, and is none`
    if (problems.length < reportedDocuments)
      problems.push({ kind: 'inserted', subject: 'document', id: textOf(document['id']), because })
    return false
  }

  async function* index() {
    for await (const checkpoint of readCheckpoints(container('checkpoints'), from, to)) {
      if (!isOf('checkpoint', checkpoint)) continue
      for (const head of Array.isArray(checkpoint['heads']) ? checkpoint['heads'] : [])
        note(asDocument(head)?.['stream'])
      yield checkpoint
    }
    for (const hour of hoursFrom(hourOf(from), hourOf(to - 1))) {
      for (const registration of await partition(container('streams'), hour)) {
        if (!isOf('registration', registration)) continue
        note(registration['stream'])
        yield registration
      }
    }
    for await (const stream of storedStreams(container('decisions'), from, to)) streams.add(stream)
    // Of a stream that nothing else names any more, the one that took over from it still knows.
    const waiting = [...streams]
    while (waiting.length > 0) {
      const openings = waiting.splice(0, parallel).map(stream => firstRecord(container('decisions'), stream))
      for (const opening of (await Promise.all(openings)).filter(isOpening)) {
        const before = asDocument(opening['predecessor'])?.['stream']
        const isNew = typeof before === 'string' && isInRange(before) && !streams.has(before)
        if (isNew) waiting.push(before)
        note(before)
        yield opening
      }
    }
  }

  async function* records() {
    for (const stream of [...streams].toSorted()) yield* readStream(container('decisions'), stream)
  }

  return { index: index(), records: records(), problems, close: () => client.dispose() }
}

/** What else stands there is judged with the other records. */
function isOpening(record: LogDocument | undefined): record is LogDocument {
  return record !== undefined && kindOfDocument(record) === 'record' && record['kind'] === 'stream'
}

async function partition(container: Container, partitionKey: string): Promise<readonly LogDocument[]> {
  const { resources } = await container.items.query<LogDocument>('SELECT * FROM c', { partitionKey }).fetchAll()
  return inOrder(resources)
}

function inOrder(documents: readonly LogDocument[]): readonly LogDocument[] {
  return documents.toSorted((a, b) => (String(a['id']) < String(b['id']) ? -1 : 1))
}

/** The one before the horizon, by which the chain is held, and all later ones. */
async function* readCheckpoints(container: Container, from: number, to: number): AsyncGenerator<LogDocument> {
  const earlier = await container.items
    .query<LogDocument>({
      query: 'SELECT TOP 1 * FROM c WHERE c.at < @horizon ORDER BY c.at DESC',
      parameters: [{ name: '@horizon', value: new Date(from).toISOString() }],
    })
    .fetchAll()
  const [before] = earlier.resources
  // A checkpoint lies in the partition of the day on which the one before it was made.
  if (before) yield before
  const start = Date.parse(before ? String(before['at']).slice(0, 10) : hourOf(from - dayLength).slice(0, 10))
  for (let time = start; time < to + dayLength; time += dayLength) {
    for (const checkpoint of await partition(container, new Date(time).toISOString().slice(0, 10))) {
      if (!before || String(checkpoint['id']) > String(before['id'])) yield checkpoint
    }
  }
}

/** Streams that nothing may name: those of these hours, and those with records that say to be of this time. */
async function* storedStreams(container: Container, from: number, to: number): AsyncGenerator<string> {
  const isOfHour = 'c.stream >= @firstHour AND c.stream < @beyondHour'
  const isInRange = `(${isOfHour} OR c.at >= @from AND c.at < @to)`
  const query = `SELECT TOP 1 c.stream FROM c WHERE c.stream > @last AND ${isInRange} ORDER BY c.stream`
  const range = [
    { name: '@firstHour', value: hourOf(from) },
    { name: '@beyondHour', value: hourOf(to - 1 + hourLength) },
    { name: '@from', value: new Date(from).toISOString() },
    { name: '@to', value: new Date(to).toISOString() },
  ]
  let last = ''
  while (true) {
    const parameters = [...range, { name: '@last', value: last }]
    const { resources } = await container.items.query<LogDocument>({ query, parameters }).fetchAll()
    const next = resources[0]?.['stream']
    if (typeof next !== 'string' || next === last) return
    yield next
    last = next
  }
}

async function firstRecord(container: Container, stream: string): Promise<LogDocument | undefined> {
  const { resource } = await container.item(idOf(1), stream).read<LogDocument>()
  return resource
}

/** Beyond the ids that writers give. */
const endOfIds = '999999999999'

/** By windows of ids, so that neither this process nor the service has to sort a whole stream. */
async function* readStream(container: Container, stream: string): AsyncGenerator<LogDocument> {
  let from: string | undefined = ''
  while (from !== undefined && from < endOfIds) {
    const to = endOfWindow(from)
    const resources = await readWindow(container, stream, { from, to })
    yield* inOrder(resources)
    from = resources.length === windowSize ? to : await firstIdFrom(container, stream, to)
  }
  if (from === undefined) return
  // Nobody of ours gave them. One is enough to tell, and there may be any number.
  const { query, parameters } = { query: 'SELECT TOP 100 * FROM c WHERE c.id >= @least', parameters: leastOf(endOfIds) }
  const { resources } = await container.items
    .query<LogDocument>({ query, parameters }, { partitionKey: stream })
    .fetchAll()
  yield* inOrder(resources)
}

function leastOf(value: string) {
  return [{ name: '@least', value }]
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
