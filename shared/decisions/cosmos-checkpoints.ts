import type { Container } from '@azure/cosmos'
import { askCosmos, cosmosStatus } from '../cosmos-error.ts'
import { withoutSystemProperties } from '../document.ts'
import { type Checkpoint, checkpointDocument, dayAfter, nextId } from './checkpoint.ts'
import type { ChainHead } from './record.ts'
import { hashOf } from './record-hash.ts'
import { idOf } from './record-id.ts'
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

/** How far a stream goes without a gap. */
export interface StreamEnd {
  /** The last record before the first gap; undefined where there is none. What has no hash has an empty one. */
  readonly head?: ChainHead
  /** There are ids beyond it, or between, that no writer of ours has given. */
  readonly isOdd: boolean
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
    end: (stream, signed) => endOf(decisions, stream, signed),
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

const beginning = '000000000001'
/** How many ids are asked for at once. */
const windowSize = 1_000

/** Mostly two queries: its last record, and whether as many are there as its id says. */
async function endOf(decisions: Container, stream: string, signed = beginning): Promise<StreamEnd> {
  async function rows<T>(query: string, least: string, beyond = ''): Promise<readonly T[]> {
    const parameters = [
      { name: '@least', value: least },
      { name: '@beyond', value: beyond },
    ]
    const found = decisions.items.query<T>({ query, parameters }, { partitionKey: stream })
    return (await ask(() => found.fetchAll())).resources
  }

  /** What somebody put there must not end the signing of the others. */
  async function lastBeforeGap(): Promise<string | undefined> {
    let last = Number(signed) - 1
    for (let count = windowSize; count === windowSize; ) {
      const [least, beyond] = [idOf(last + 1), idOf(last + 1 + windowSize)]
      const query = 'SELECT VALUE c.id FROM c WHERE c.id >= @least AND c.id < @beyond AND LENGTH(c.id) = 12'
      const ids = new Set(await rows<string>(query, least, beyond))
      for (count = 0; count < windowSize && ids.has(idOf(last + 1)); count++) last += 1
    }
    return last < Number(signed) ? undefined : idOf(last)
  }

  const [last] = await rows<Document>('SELECT TOP 1 * FROM c WHERE c.id >= @least ORDER BY c.id DESC', signed)
  if (!last) return { isOdd: false }
  const id = String(last['id'])
  if (/^\d{12}$/.test(id)) {
    const [count] = await rows<number>(
      'SELECT VALUE COUNT(1) FROM c WHERE c.id >= @least AND c.id <= @beyond',
      signed,
      id,
    )
    if (count === Number(id) - Number(signed) + 1) return { head: headOf(stream, last), isOdd: false }
  }
  const end = await lastBeforeGap()
  if (end === undefined) return { isOdd: true }
  const [record] = await rows<Document>('SELECT * FROM c WHERE c.id = @least', end)
  return { ...(record && { head: headOf(stream, record) }), isOdd: true }
}

function headOf(stream: string, record: Document): ChainHead {
  return { stream, id: String(record['id']), hash: hashOf(record) ?? '' }
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

function* daysFrom(first: string, last: string): Generator<string> {
  for (let time = Date.parse(first); time <= Date.parse(last); time += 86_400_000) {
    yield new Date(time).toISOString().slice(0, 10)
  }
}
