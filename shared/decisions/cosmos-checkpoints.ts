import type { Container } from '@azure/cosmos'
import { askCosmos, cosmosStatus } from '../cosmos-error.ts'
import { withoutSystemProperties } from '../document.ts'
import { type Checkpoint, checkpointDocument, dayAfter, nextId } from './checkpoint.ts'
import type { ChainHead } from './record.ts'
import { recordHash } from './record-hash.ts'

/** What checkpoints are made of, and where they are kept. Whatever goes wrong is 503 `record_unavailable`. */
export interface CheckpointStore {
  /** The last checkpoint, by way of an earlier one where that is known. */
  last(known: Checkpoint | undefined, today: string): Promise<Checkpoint | undefined>
  /** The checkpoints from a time on up to the last one, in order. */
  since(at: string, last: Checkpoint): Promise<readonly Checkpoint[]>
  /** False where there is one of its number already. */
  create(checkpoint: Checkpoint): Promise<boolean>
  /** The first hour that has a stream; undefined where there is none at all. */
  firstHour(): Promise<string | undefined>
  /** The streams that were registered for an hour. */
  streamsOf(hour: string): Promise<readonly string[]>
  /** The last record of a stream, from that one on; undefined where there is none. What has no hash has an empty one. */
  head(stream: string, from: string): Promise<ChainHead | undefined>
}

type Document = Readonly<Record<string, unknown>>

export interface CheckpointContainers {
  readonly checkpoints: Container
  readonly streams: Container
  readonly decisions: Container
}

/** Checkpoints in Cosmos DB, partitioned by day. */
export function cosmosCheckpoints({ checkpoints, streams, decisions }: CheckpointContainers): CheckpointStore {
  async function follow(known: Checkpoint): Promise<Checkpoint> {
    const item = checkpoints.item(nextId(known), dayAfter(known))
    const { resource } = await ask(() => item.read<Document>())
    return resource ? follow(parse(resource)) : known
  }

  async function lastOf(partitionKey?: string): Promise<Checkpoint | undefined> {
    const scope = partitionKey === undefined ? {} : { partitionKey }
    const query = checkpoints.items.query<Document>('SELECT TOP 1 * FROM c ORDER BY c.id DESC', scope)
    const { resources } = await ask(() => query.fetchAll())
    return resources[0] && parse(resources[0])
  }

  return {
    async last(known, today) {
      // Where the last one lies follows from the one before it; only who knows none must search, today first.
      const found = known ?? (await lastOf(today)) ?? (await lastOf())
      return found && follow(found)
    },
    async since(at, last) {
      const query = { query: 'SELECT * FROM c WHERE c.at >= @at', parameters: [{ name: '@at', value: at }] }
      const found: Checkpoint[] = []
      // A checkpoint lies in the partition of the day on which the one before it was made.
      for (const day of daysFrom(dayBefore(at), last.day)) {
        const pages = checkpoints.items.query<Document>(query, { partitionKey: day })
        const { resources } = await ask(() => pages.fetchAll())
        found.push(...resources.map(parse))
      }
      return found.toSorted((a, b) => (a.id < b.id ? -1 : 1))
    },
    create: checkpoint =>
      ask(async () => {
        try {
          await checkpoints.items.create(checkpoint)
          return true
        } catch (error) {
          if (cosmosStatus(error) === 409) return false
          throw error
        }
      }),
    async firstHour() {
      const query = streams.items.query<Document>('SELECT TOP 1 c.hour FROM c ORDER BY c.hour')
      const { resources } = await ask(() => query.fetchAll())
      return resources[0] && String(resources[0]['hour'])
    },
    async streamsOf(hour) {
      const query = streams.items.query<Document>('SELECT c.stream FROM c', { partitionKey: hour })
      const { resources } = await ask(() => query.fetchAll())
      return resources.map(registration => String(registration['stream'])).toSorted()
    },
    async head(stream, from) {
      const parameters = [{ name: '@least', value: from }]
      const query = 'SELECT TOP 1 * FROM c WHERE c.id >= @least ORDER BY c.id DESC'
      const found = decisions.items.query<Document>({ query, parameters }, { partitionKey: stream })
      const { resources } = await ask(() => found.fetchAll())
      const [record] = resources
      return record && { stream, id: String(record['id']), hash: hashOf(record) }
    },
  }
}

function ask<T>(read: () => Promise<T>): Promise<T> {
  return askCosmos('record_unavailable', read)
}

function parse(document: Document): Checkpoint {
  return checkpointDocument.parse(withoutSystemProperties(document))
}

function dayBefore(at: string): string {
  return new Date(Date.parse(at) - 86_400_000).toISOString().slice(0, 10)
}

/** A record that was put there by somebody else may have no RFC 8785 form, and must not end the checkpoints. */
function hashOf(record: Document): string {
  try {
    return recordHash(record)
  } catch {
    return ''
  }
}

function* daysFrom(first: string, last: string): Generator<string> {
  for (let time = Date.parse(first); time <= Date.parse(last); time += 86_400_000) {
    yield new Date(time).toISOString().slice(0, 10)
  }
}
