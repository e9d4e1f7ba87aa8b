import { z } from 'zod'

export type TimeOrder = 'newest' | 'oldest'

/** `stream`: as the chain goes, by stream and id, which is how a log is verified. */
export type SearchOrder = TimeOrder | 'stream'

type Document = Readonly<Record<string, unknown>>

/** The members by which documents of a container are in order: their time, then what tells apart those of one time. */
export type OrderedBy = readonly [time: string, partition: string, id: 'id']

/** Where a page ended: the values of those members in its last document. */
export type Place = readonly [time: string, partition: string, id: string]

/** Whatever somebody may have put there is a place: Cosmos DB bounds keys by 2,048 bytes and ids by 1,023. */
const longest = 16_384
const place = z.tuple([z.string(), z.string().max(2_048), z.string().max(1_023)])

/** The place of a document. */
export function placeIn(document: Document, [time, partition, id]: OrderedBy): Place {
  return [String(document[time]), String(document[partition]), String(document[id])]
}

/** Compares places: negative where the first comes first. */
export function comparePlaces(a: Place, b: Place, order: TimeOrder): number {
  const differing = [0, 1, 2].find(index => a[index] !== b[index])
  if (differing === undefined) return 0
  const isBefore = String(a[differing]) < String(b[differing])
  return isBefore === (order === 'oldest') ? -1 : 1
}

/** A place as the text with which a client asks for what comes after it. Not JSON, which writes some text sixfold. */
export function continuationAt([time, partition, id]: Place): string {
  return Buffer.from(`${time.length}:${partition.length}:${time}${partition}${id}`).toString('base64url')
}

/** The place in a continuation; undefined where it is none. */
export function placeOf(continuation: string): Place | undefined {
  if (continuation.length > longest) return undefined
  const text = Buffer.from(continuation, 'base64url').toString()
  const [lengths = '', time, partition] = /^(\d{1,5}):(\d{1,4}):/.exec(text) ?? []
  if (time === undefined || partition === undefined) return undefined
  const rest = text.slice(lengths.length)
  const end = Number(time) + Number(partition)
  if (rest.length < end) return undefined
  return place.safeParse([rest.slice(0, Number(time)), rest.slice(Number(time), end), rest.slice(end)]).data
}
