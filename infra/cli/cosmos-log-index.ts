import type { Container } from '@azure/cosmos'
import { dayLength, hourLength, hourOf } from '../../shared/decisions/checkpoint-hours.ts'
import { idOf } from '../../shared/decisions/record-id.ts'
import type { LogDocument } from '../../shared/decisions/verify-document.ts'
import { inOrder } from './cosmos-log-stream.ts'

/** The documents of a partition, in the order of their ids. */
export async function partition(container: Container, partitionKey: string): Promise<readonly LogDocument[]> {
  const { resources } = await container.items.query<LogDocument>('SELECT * FROM c', { partitionKey }).fetchAll()
  return inOrder(resources)
}

/** The checkpoints of a time: the one before the horizon, by which the chain is held, and all later ones. */
export async function* readCheckpoints(container: Container, from: number, to: number): AsyncGenerator<LogDocument> {
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
export async function* storedStreams(container: Container, from: number, to: number): AsyncGenerator<string> {
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

/** The record with which a stream begins. */
export async function firstRecord(container: Container, stream: string): Promise<LogDocument | undefined> {
  const { resource } = await container.item(idOf(1), stream).read<LogDocument>()
  return resource
}
