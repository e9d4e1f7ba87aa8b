import type { Container } from '@azure/cosmos'
import { askCosmos, cosmosStatus } from '../cosmos-error.ts'
import { withoutSystemProperties } from '../document.ts'
import { type Checkpoint, checkpointDocument, dayAfter, nextId } from './checkpoint.ts'
import { dayLength } from './checkpoint-hours.ts'
import { type StreamEnd, streamEnd } from './cosmos-stream-end.ts'
import { asRegistration, isHour } from './registration.ts'

/** What checkpoints are made of, and where they are kept. Whatever goes wrong is 503 `record_unavailable`. */
export interface CheckpointStore {
  /** The last checkpoint, by way of an earlier one where that is known. */
  last(known: Checkpoint | undefined, today: string): Promise<Checkpoint | undefined>
  /** The checkpoints from a time on up to the last one, in order. */
  since(at: string, last: Checkpoint): Promise<readonly Checkpoint[]>
  /** False where there is one of its number already. */
  create(checkpoint: Checkpoint): Promise<boolean>
  /** The first hour from that one on that has a stream, or may have one; undefined where there is none at all. */
  firstHour(least: string): Promise<string | undefined>
  /** What was registered for an hour. */
  streamsOf(hour: string): Promise<RegisteredStreams>
  /** Where a stream ends by now, from the record on that was signed, or from its beginning. */
  end(stream: string, signed?: string): Promise<StreamEnd>
}

/** What stands in the partition of an hour. */
export interface RegisteredStreams {
  readonly streams: readonly string[]
  /** What stands beside registrations and is none, by hour and id: no writer of ours has put it there. */
  readonly foreign: readonly string[]
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
    async firstHour(least) {
      const sql = 'SELECT TOP 1 c.hour FROM c WHERE c.hour >= @least ORDER BY c.hour'
      const query = streams.items.query<Document>({ query: sql, parameters: [{ name: '@least', value: least }] })
      const { resources } = await ask(() => query.fetchAll())
      if (!resources[0]) return undefined
      const hour = resources[0]['hour']
      // Somebody may have put there what is no hour, before the first that is one.
      return typeof hour === 'string' && isHour(hour) ? hour : least
    },
    async streamsOf(hour) {
      const query = streams.items.query<Document>('SELECT * FROM c', { partitionKey: hour })
      const { resources } = await ask(() => query.fetchAll())
      return registeredIn(hour, resources)
    },
    end: (stream, signed) => streamEnd(decisions, stream, signed),
  }
}

/** A registration that names a stream of another hour would have it signed now, as if it had been there then. */
function registeredIn(hour: string, documents: readonly Document[]): RegisteredStreams {
  const streams: string[] = []
  const foreign: string[] = []
  for (const document of documents) {
    const registration = asRegistration(document)
    if (registration?.hour === hour) streams.push(registration.stream)
    else foreign.push(`${hour}: ${String(document['id']).slice(0, 100)}`)
  }
  return { streams: streams.toSorted(), foreign }
}

function ask<T>(read: () => Promise<T>): Promise<T> {
  return askCosmos('record_unavailable', read)
}

function parse(document: Document): Checkpoint {
  return checkpointDocument.parse(withoutSystemProperties(document))
}

function dayBefore(at: string): string {
  return new Date(Date.parse(at) - dayLength).toISOString().slice(0, 10)
}

function* daysFrom(first: string, last: string): Generator<string> {
  for (let time = Date.parse(first); time <= Date.parse(last); time += dayLength) {
    yield new Date(time).toISOString().slice(0, 10)
  }
}
