import { z } from 'zod'

export type SearchOrder = 'newest' | 'oldest'

type Document = Readonly<Record<string, unknown>>

/** The members by which documents of a container are in order: their time, then what tells apart those of one time. */
export type OrderedBy = readonly [time: string, partition: string, id: 'id']

/** Where a page ended: the values of those members in its last document. */
export type Place = readonly [time: string, partition: string, id: string]

const longest = 1_024
const place = z.tuple([z.iso.datetime(), z.string().max(200), z.string().max(200)])

/** The place of a document. */
export function placeIn(document: Document, [time, partition, id]: OrderedBy): Place {
  return [String(document[time]), String(document[partition]), String(document[id])]
}

/** Compares places: negative where the first comes first. */
export function comparePlaces(a: Place, b: Place, order: SearchOrder): number {
  const differing = [0, 1, 2].find(index => a[index] !== b[index])
  if (differing === undefined) return 0
  const isBefore = String(a[differing]) < String(b[differing])
  return isBefore === (order === 'oldest') ? -1 : 1
}

/** A place as the text with which a client asks for what comes after it. */
export function continuationAt(after: Place): string {
  return Buffer.from(JSON.stringify(after)).toString('base64url')
}

/** The place in a continuation; undefined where it is none. */
export function placeOf(continuation: string): Place | undefined {
  if (continuation.length > longest) return undefined
  try {
    return place.safeParse(JSON.parse(Buffer.from(continuation, 'base64url').toString())).data
  } catch {
    return undefined
  }
}
