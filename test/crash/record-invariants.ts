import { z } from 'zod'
import type { Answer, RunningStack } from '../running-stack.ts'

const reference = z.looseObject({ lease: z.string().optional(), account: z.string().optional() })
const record = z.looseObject({
  stream: z.string(),
  id: z.string(),
  kind: z.string(),
  outcome: z.string(),
  decision: z.string().optional(),
  credential: reference.optional(),
  unresolved: z.object({ stream: z.string(), from: z.string(), to: z.string() }).optional(),
})
type StoredRecord = z.infer<typeof record>

const lease = z.looseObject({ id: z.string(), account: z.string().optional() })

/** What a log holds beside what clients were told. */
export interface RecordCheck {
  /** Each line says what must not be. */
  readonly wrongs: readonly string[]
  readonly records: number
  /** Records of credentials that no client received. */
  readonly unheard: number
}

/** Looks for credentials without a record that counts, and for records of minted credentials without a lease. */
export async function checkRecords(stack: RunningStack, received: readonly Answer[]): Promise<RecordCheck> {
  const records = z.array(record).parse(await stack.records())
  const leases = new Map(
    z
      .array(lease)
      .parse(await stack.leases())
      .map(({ id, account }) => [id, account]),
  )
  const allowed = records.filter(({ kind, outcome }) => kind === 'exchange' && outcome === 'allowed')
  const byDecision = new Map(allowed.map(each => [each.decision, each]))
  const ranges = records.flatMap(({ unresolved }) => unresolved ?? [])
  const isOpen = ({ stream, id }: StoredRecord) =>
    ranges.some(range => range.stream === stream && range.from <= id && id <= range.to)
  const heard = new Set(received.map(({ body }) => body['decision_id']))
  return {
    wrongs: [
      ...received.flatMap(answer => wrongRelease(answer, byDecision, isOpen)),
      ...allowed.flatMap(each => wrongLease(each, leases)),
    ],
    records: records.length,
    unheard: allowed.filter(({ decision }) => !heard.has(decision)).length,
  }
}

function wrongRelease(
  { body }: Answer,
  byDecision: ReadonlyMap<unknown, StoredRecord>,
  isOpen: (record: StoredRecord) => boolean,
): readonly string[] {
  const { decision_id, lease_id, credential } = body
  const found = byDecision.get(decision_id)
  if (!found) return [`decision ${decision_id} was released, and no record allows it`]
  if (isOpen(found)) return [`decision ${decision_id} was released, and its record was given up as unresolved`]
  const { username } = z.looseObject({ username: z.string() }).parse(credential)
  const isAboutIt =
    found.credential?.lease === lease_id && (lease_id === undefined || found.credential?.account === username)
  return isAboutIt ? [] : [`decision ${decision_id}: its record names another credential`]
}

function wrongLease({ credential, decision }: StoredRecord, leases: ReadonlyMap<string, string | undefined>) {
  if (credential?.lease === undefined) return []
  const { lease, account } = credential
  return account !== undefined && leases.get(lease) === account
    ? []
    : [`decision ${decision}: no lease ${lease} of ${account}`]
}
