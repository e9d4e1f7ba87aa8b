import type { Container } from '@azure/cosmos'
import { askCosmos } from '../cosmos-error.ts'
import { groupsOf } from '../groups.ts'
import type { Target } from '../targets/target.ts'
import type { Burden } from './budget.ts'
import { unless } from './conditional-write.ts'
import { parseLease, readLease } from './cosmos-lease-document.ts'
import { type Holder, type Lease, leaseDocument, leaseId, type StoredLease } from './lease.ts'
import { isLive } from './lease-conditions.ts'
import { mintingTime } from './lease-states.ts'

/** Where leases are kept. Every change of state is conditional on the version that was read. */
export interface LeaseStore {
  read(slot: string, generation: number): Promise<StoredLease | undefined>
  /** Undefined where the lease exists already: somebody else's create won. */
  create(lease: Lease): Promise<StoredLease | undefined>
  /** Undefined where it changed since it was read. */
  replace(lease: Lease, etag: string): Promise<StoredLease | undefined>
  /**
   * The leases that give access at any time from now on, whatever their workload: reserved, active, or ending
   * while sessions may finish a transaction, or after an attempt that failed. `from` is where an earlier search came to, by its last page.
   */
  live(from: string | undefined): AsyncIterable<LeasePage>
  /** The live leases that may be a workload's own: its pod's, and those that its pods share. */
  heldBy(workload: Holder): Promise<readonly StoredLease[]>
  /**
   * How many accounts of a target may exist, and how many a minter took up after a time in epoch milliseconds. Stops
   * counting where either is as many as a budget allows. A lease without an account is none of them.
   */
  burdenOf(target: string, since: number, budgets: Target['budgets']): Promise<Burden>
  /** The state of the lease of each of these accounts, whatever its target. Accounts without one are not in it. */
  statesOf(accounts: readonly string[]): Promise<ReadonlyMap<string, Lease['state'] | 'unreadable'>>
  /** What the timer must look at by now, the longest overdue first. */
  due(now: number, without: LeftOut): AsyncIterable<StoredLease | UnreadableLease>
}

/** What is not looked for at present. */
export interface LeftOut {
  /** Leases that are known to be at one of these locations, and have an account there, perhaps. */
  readonly locations: readonly string[]
  /** Leases for which no account was made, wherever. */
  readonly vacant: boolean
}

/** A lease's document that is none: what it stands for cannot be ended until somebody mends it. */
export interface UnreadableLease {
  readonly unreadable: string
}

/** Some of the leases that a search finds. */
export interface LeasePage {
  readonly leases: readonly (StoredLease | UnreadableLease)[]
  /** Where the search goes on. Undefined behind the last page. */
  readonly next: string | undefined
}

type Document = Readonly<Record<string, unknown>>

const pageSize = 100
/** A page of a count: two short members each. */
const countedAtOnce = 1_000

/** Leases in Cosmos DB, partitioned by slot. Everything that fails is 503 `lease_unavailable`. */
export function cosmosLeases(container: Container): LeaseStore {
  return {
    read: (slot, generation) =>
      askCosmos('lease_unavailable', async () => {
        const { resource } = await container.item(leaseId(slot, generation), slot).read<Document>()
        return resource && parseLease(resource)
      }),
    create: lease =>
      unless([409], async () => parseLease((await container.items.create<Document>(lease)).resource ?? missing())),
    replace: (lease, etag) =>
      unless([412], async () => {
        const accessCondition = { type: 'IfMatch', condition: etag }
        const { resource } = await container.item(lease.id, lease.slot).replace<Document>(lease, { accessCondition })
        return parseLease(resource ?? missing())
      }),
    async *live(from) {
      const query = `SELECT * FROM c WHERE ${isLive}`
      const start = from === undefined ? {} : { continuationToken: from }
      const pages = container.items.query<Document>(query, { maxItemCount: pageSize, ...start })
      while (pages.hasMoreResults()) {
        const { resources, continuationToken } = await askCosmos('lease_unavailable', () => pages.fetchNext())
        yield { leases: (resources ?? []).map(readLease), next: continuationToken }
      }
    },
    async heldBy({ issuer, subject, podUid }) {
      const query = container.items.query<Document>({
        query:
          'SELECT * FROM c WHERE c.state = "active" AND c.workload.issuer = @issuer AND c.workload.subject = @subject ' +
          'AND (c.share = "workload" OR c.workload.podUid = @pod OR NOT IS_DEFINED(c.workload.podUid))',
        parameters: [
          { name: '@issuer', value: issuer },
          { name: '@subject', value: subject },
          { name: '@pod', value: podUid ?? null },
        ],
      })
      return askCosmos('lease_unavailable', async () => (await query.fetchAll()).resources.map(parseLease))
    },
    async burdenOf(target, since, { liveAccounts = Infinity, mintsPerMinute = Infinity }) {
      const mintUntil = new Date(since + mintingTime).toISOString()
      const query = {
        query:
          'SELECT c.state, c.vacant, c.mintUntil FROM c WHERE c.target = @target ' +
          'AND (c.state IN ("reserved", "active", "revoking") OR c.mintUntil > @since)',
        parameters: [
          { name: '@target', value: target },
          { name: '@since', value: mintUntil },
        ],
      }
      const burden = { live: 0, minted: 0 }
      const pages = container.items.query<Document>(query, { maxItemCount: countedAtOnce })
      while (pages.hasMoreResults() && burden.live < liveAccounts && burden.minted < mintsPerMinute) {
        const { resources } = await askCosmos('lease_unavailable', () => pages.fetchNext())
        for (const { state, vacant, mintUntil: until } of resources ?? []) {
          if (state !== 'revoked' && vacant !== true) burden.live += 1
          if (vacant !== true && String(until) > mintUntil) burden.minted += 1
        }
      }
      return burden
    },
    async statesOf(accounts) {
      const states = new Map<string, Lease['state'] | 'unreadable'>()
      for (const some of groupsOf(accounts, pageSize)) {
        const query = container.items.query<Document>({
          query: 'SELECT c.account, c.state FROM c WHERE ARRAY_CONTAINS(@accounts, c.account)',
          parameters: [{ name: '@accounts', value: [...some] }],
        })
        const { resources } = await askCosmos('lease_unavailable', () => query.fetchAll())
        for (const { account, state } of resources) states.set(String(account), stateOf(state))
      }
      return states
    },
    async *due(now, without) {
      const query = {
        query:
          'SELECT * FROM c WHERE c.state IN ("reserved", "active", "revoking") AND c.dueAt <= @now ' +
          'AND (NOT IS_DEFINED(c.location) OR NOT ARRAY_CONTAINS(@without, c.location) OR c.vacant = true) ' +
          `${without.vacant ? 'AND (NOT IS_DEFINED(c.vacant) OR c.vacant != true) ' : ''}ORDER BY c.dueAt`,
        parameters: [
          { name: '@now', value: new Date(now).toISOString() },
          { name: '@without', value: [...without.locations] },
        ],
      }
      const pages = container.items.query<Document>(query, { maxItemCount: pageSize })
      while (pages.hasMoreResults()) {
        const { resources } = await askCosmos('lease_unavailable', () => pages.fetchNext())
        yield* (resources ?? []).map(readLease)
      }
    },
  }
}

function stateOf(value: unknown): Lease['state'] | 'unreadable' {
  const { success, data } = leaseDocument.shape.state.safeParse(value)
  return success ? data : 'unreadable'
}

function missing(): never {
  throw new Error('Cosmos DB answered a write without the document')
}
