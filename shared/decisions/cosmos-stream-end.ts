import type { Container } from '@azure/cosmos'
import { askCosmos } from '../cosmos-error.ts'
import type { ChainHead } from './record.ts'
import { hashOf } from './record-hash.ts'
import { idOf } from './record-id.ts'

/** How far a stream goes without a gap. */
export interface StreamEnd {
  /** The last record before the first gap; undefined where there is none. What has no hash has an empty one. */
  readonly head?: ChainHead
  /** There are ids beyond it, or between, that no writer of ours has given. */
  readonly isOdd: boolean
}

type Document = Readonly<Record<string, unknown>>

const beginning = '000000000001'
/** How many ids are asked for at once. */
const windowSize = 1_000

/**
 * Where a stream ends by now, from the record on that was signed, or from its beginning. Mostly two queries: its last record,
 * and whether as many are there as its id says. Throws 503 `record_unavailable`.
 */
export async function streamEnd(decisions: Container, stream: string, signed = beginning): Promise<StreamEnd> {
  async function rows<T>(query: string, least: string, beyond = ''): Promise<readonly T[]> {
    const parameters = [
      { name: '@least', value: least },
      { name: '@beyond', value: beyond },
    ]
    const found = decisions.items.query<T>({ query, parameters }, { partitionKey: stream })
    return (await askCosmos('record_unavailable', () => found.fetchAll())).resources
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
