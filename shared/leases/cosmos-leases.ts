import type { Container, SqlQuerySpec } from '@azure/cosmos'
import { cosmosStatus, fromCosmos } from '../cosmos-error.ts'
import { withoutSystemProperties } from '../document.ts'
import { unavailable } from '../errors.ts'
import { type Lease, leaseDocument, type StoredLease } from './lease.ts'

/** Where leases are kept. Every change of state is conditional on the version that was read. */
export interface LeaseStore {
  read(slot: string, generation: number): Promise<StoredLease | undefined>
  /** Undefined where the lease exists already: somebody else's create won. */
  create(lease: Lease): Promise<StoredLease | undefined>
  /** Undefined where it changed since it was read. */
  replace(lease: Lease, etag: string): Promise<StoredLease | undefined>
  /** The live leases of a workload, 100 at most. */
  heldBy(workload: Pick<Lease['workload'], 'issuer' | 'subject'>): Promise<readonly StoredLease[]>
  /** What the timer must look at by now, the longest overdue first. */
  due(now: number, limit: number): Promise<readonly StoredLease[]>
}

type Document = Readonly<Record<string, unknown>>

/** Leases in Cosmos DB, partitioned by slot. Everything that fails is 503 `lease_unavailable`. */
export function cosmosLeases(container: Container): LeaseStore {
  return {
    read: (slot, generation) =>
      orUnavailable(async () => {
        const { resource } = await container.item(leaseId(slot, generation), slot).read<Document>()
        return resource && stored(resource)
      }),
    create: lease =>
      unless(409, async () => stored((await container.items.create<Document>(lease)).resource ?? missing())),
    replace: (lease, etag) =>
      unless(412, async () => {
        const accessCondition = { type: 'IfMatch', condition: etag }
        const { resource } = await container.item(lease.id, lease.slot).replace<Document>(lease, { accessCondition })
        return stored(resource ?? missing())
      }),
    heldBy: ({ issuer, subject }) =>
      find(container, 100, {
        query:
          'SELECT * FROM c WHERE c.state = "active" AND c.workload.issuer = @issuer AND c.workload.subject = @subject',
        parameters: [
          { name: '@issuer', value: issuer },
          { name: '@subject', value: subject },
        ],
      }),
    due: (now, limit) =>
      find(container, limit, {
        query:
          'SELECT * FROM c WHERE c.state IN ("reserved", "active", "revoking") AND c.dueAt <= @now ORDER BY c.dueAt',
        parameters: [{ name: '@now', value: new Date(now).toISOString() }],
      }),
  }
}

/** Lease ids name their slot, so that a lease is found by its id in one point read. */
export function leaseId(slot: string, generation: number): string {
  return `${slot}.${generation}`
}

/** The slot and generation in a lease's id, where it is one. */
export function parseLeaseId(id: string): { readonly slot: string; readonly generation: number } | undefined {
  const [, slot, generation] = /^([0-9a-f]{64})\.([0-7])$/.exec(id) ?? []
  return slot && generation ? { slot, generation: Number(generation) } : undefined
}

function stored(document: Document): StoredLease {
  return { lease: leaseDocument.parse(withoutSystemProperties(document)), etag: String(document['_etag']) }
}

function find(container: Container, limit: number, query: SqlQuerySpec): Promise<readonly StoredLease[]> {
  return orUnavailable(async () => {
    const { resources } = await container.items.query<Document>(query, { maxItemCount: limit }).fetchNext()
    // One document that cannot be read must not keep the timer from all others.
    return (resources ?? [])
      .filter(document => leaseDocument.safeParse(withoutSystemProperties(document)).success)
      .map(stored)
  })
}

async function unless<T>(status: number, write: () => Promise<T>): Promise<T | undefined> {
  return orUnavailable(() =>
    write().catch(error => {
      if (cosmosStatus(error) === status) return undefined
      throw error
    }),
  )
}

async function orUnavailable<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask()
  } catch (cause) {
    throw unavailable('lease_unavailable', { detail: fromCosmos(cause), cause })
  }
}

function missing(): never {
  throw new Error('Cosmos DB answered a write without the document')
}
