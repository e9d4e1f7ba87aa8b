import { CosmosClient } from '@azure/cosmos'
import type { TokenCredential } from '@azure/identity'
import { hourOf, hourOfStream, hoursFrom } from '../../shared/decisions/checkpoint-hours.ts'
import { asDocument, kindOfDocument, type LogDocument, textOf } from '../../shared/decisions/verify-document.ts'
import type { Finding } from '../../shared/decisions/verify-finding.ts'
import { firstRecord, partition, readCheckpoints, storedStreams } from './cosmos-log-index.ts'
import { readStream } from './cosmos-log-stream.ts'
import type { OpenLog } from './verify-log.ts'

export interface CosmosLogOptions {
  readonly endpoint: string
  readonly database: string
  readonly credential: TokenCredential
  /** Epoch milliseconds. */
  readonly from: number
  readonly to: number
}

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

  async function* checkpoints() {
    for await (const checkpoint of readCheckpoints(container('checkpoints'), from, to)) {
      if (!isOf('checkpoint', checkpoint)) continue
      for (const head of Array.isArray(checkpoint['heads']) ? checkpoint['heads'] : [])
        note(asDocument(head)?.['stream'])
      yield checkpoint
    }
  }

  async function* registrations() {
    for (const hour of hoursFrom(hourOf(from), hourOf(to - 1))) {
      for (const registration of await partition(container('streams'), hour)) {
        if (!isOf('registration', registration)) continue
        note(registration['stream'])
        yield registration
      }
    }
  }

  /** Of a stream that nothing else names any more, the one that took over from it still knows. */
  async function* openings() {
    const waiting = [...streams]
    while (waiting.length > 0) {
      const some = waiting.splice(0, parallel).map(stream => firstRecord(container('decisions'), stream))
      for (const opening of (await Promise.all(some)).filter(isOpening)) {
        const before = asDocument(opening['predecessor'])?.['stream']
        const isNew = typeof before === 'string' && isInRange(before) && !streams.has(before)
        if (isNew) waiting.push(before)
        note(before)
        yield opening
      }
    }
  }

  async function* index() {
    yield* checkpoints()
    yield* registrations()
    for await (const stream of storedStreams(container('decisions'), from, to)) streams.add(stream)
    yield* openings()
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
