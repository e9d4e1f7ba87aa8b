import { expect } from 'vitest'
import { z } from 'zod'
import { recordHash } from '../../shared/decisions/record-hash.ts'
import type { StandIn } from '../conformance/cosmos/stand-in.ts'

const position = { stream: z.string(), id: z.string() }
const record = z.looseObject({
  ...position,
  at: z.string(),
  kind: z.string(),
  outcome: z.string(),
  decision: z.string().optional(),
  previous: z.string().nullable(),
  predecessor: z
    .object({ ...position, hash: z.string() })
    .nullable()
    .optional(),
  unresolved: z.object({ stream: z.string(), from: z.string(), to: z.string() }).optional(),
})

/** A record as Cosmos DB holds it. */
export type StoredRecord = z.infer<typeof record>

/** All that a log left behind. */
export interface StoredLog {
  readonly records: readonly StoredRecord[]
  /** In the order of their ids. */
  readonly streams: ReadonlyMap<string, readonly StoredRecord[]>
  readonly registrations: readonly Readonly<Record<string, unknown>>[]
}

/** Reads all that logs of that deployment wrote. */
export async function readLog(standIn: StandIn, deployment: string): Promise<StoredLog> {
  const parameters = [{ name: '@deployment', value: deployment }]
  const query = 'SELECT * FROM c WHERE c.deployment = @deployment'
  const read = async (id: string) => {
    const { items } = standIn.database().container(id)
    return (await items.query({ query, parameters }, { maxItemCount: 10_000 }).fetchAll()).resources
  }
  const records = z.array(record).parse(await read('decisions'))
  const sorted = records.toSorted((one, other) => one.id.localeCompare(other.id))
  const streams = Map.groupBy(sorted, ({ stream }) => stream)
  return { records, streams, registrations: z.array(z.record(z.string(), z.unknown())).parse(await read('streams')) }
}

/** Every stream is registered and a chain without a gap, and says where it takes over from. */
export function expectChained({ records, streams, registrations }: StoredLog): void {
  const names = new Set(registrations.map(registration => registration['stream']))
  const hashes = new Map(records.map(each => [`${each.stream}/${each.id}`, recordHash(each)]))
  const boots = new Set<string>()
  for (const [stream, [first, ...others]] of streams) {
    expect(names).toContain(stream)
    expect(first).toMatchObject({ id: '000000000001', kind: 'stream', outcome: 'opened', previous: null })
    if (!first) continue
    let before = first
    for (const each of others) {
      expect(each).toMatchObject({ id: String(Number(before.id) + 1).padStart(12, '0'), previous: recordHash(before) })
      before = each
    }
    const { predecessor } = first
    if (predecessor) expect(hashes.get(`${predecessor.stream}/${predecessor.id}`)).toBe(predecessor.hash)
    // Of each process, one stream has none, but for one that takes over from a stream of which nothing was known.
    else if (!first.unresolved) expect(boots).not.toContain(stream.split('/')[1])
    if (!predecessor) boots.add(String(stream.split('/')[1]))
  }
}

/** Is the record in a range that a later stream says is unresolved? */
export function isUnresolved({ records }: StoredLog, { stream, id }: StoredRecord): boolean {
  return records.some(({ unresolved }) => unresolved?.stream === stream && unresolved.from <= id && id <= unresolved.to)
}

/** Who was told a position finds the entry there; whoever was refused is in no range that counts. */
export function expectTrueAnswers(
  log: StoredLog,
  answers: ReadonlyMap<string, { stream: string; id: string } | undefined>,
) {
  for (const [decision, answer] of answers) {
    const found = log.records.filter(each => each.decision === decision)
    const standing = found.filter(each => !isUnresolved(log, each))
    if (answer) expect(standing).toMatchObject([answer])
    else expect(standing).toEqual([])
    expect(found.length).toBeLessThanOrEqual(1)
  }
}
