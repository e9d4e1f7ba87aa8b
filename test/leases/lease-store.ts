import { accountForm } from '../../shared/account-form.ts'
import { Secret } from '../../shared/credentials/secret.ts'
import { unavailable } from '../../shared/errors.ts'
import { targetBudgets } from '../../shared/leases/budget.ts'
import type { LeasePage, LeaseStore, UnreadableLease } from '../../shared/leases/cosmos-leases.ts'
import { type Leases, openLeases } from '../../shared/leases/hold-lease.ts'
import { type Lease, leaseId, type StoredLease } from '../../shared/leases/lease.ts'
import { mintingTime } from '../../shared/leases/lease-states.ts'
import { type PlaceStore, quotaPlaces } from '../../shared/leases/quota.ts'
import type { SlotIdentity } from '../../shared/leases/slot.ts'
import { minute, paymentsApi } from '../rules/facts.ts'
import { type PlaceMemory, placeMemory } from './place-store.ts'

/** Leases in memory: conditional like the real store. */
export interface LeaseMemory extends LeaseStore {
  readonly leases: Map<string, StoredLease>
  /** The places beside them. */
  readonly places: PlaceMemory
  /** Ids of documents that are no leases, and due. */
  readonly unreadable: string[]
  /** What was asked of it, in order. */
  readonly asked: ('read' | 'create' | 'replace')[]
  /** Happens before the next call of that kind, once: what another instance does meanwhile, or a failure. */
  before(kind: 'read' | 'create' | 'replace', what: () => void): void
  /** Puts a lease there, whatever was there before. */
  put(lease: Lease): StoredLease
  /** The only lease that there is. */
  only(): Lease
}

const pageSize = 10

function isLive({ state, cause, onExpiry, attempts }: Lease): boolean {
  const mayFinish = cause === 'expired' && onExpiry === 'finish-transactions'
  return state === 'reserved' || state === 'active' || (state === 'revoking' && (attempts > 0 || mayFinish))
}

/** The failure of a store that is down. */
export function storeDown(): never {
  throw unavailable('lease_unavailable')
}

export function leaseMemory(): LeaseMemory {
  const leases = new Map<string, StoredLease>()
  const unreadable: string[] = []
  const asked: LeaseMemory['asked'] = []
  const interruptions: { readonly kind: string; readonly what: () => void }[] = []
  let version = 0

  function put(lease: Lease): StoredLease {
    const stored = { lease, etag: `"${++version}"` }
    leases.set(lease.id, stored)
    return stored
  }

  function note(kind: (typeof asked)[number]): void {
    asked.push(kind)
    const index = interruptions.findIndex(one => one.kind === kind)
    if (index >= 0) interruptions.splice(index, 1)[0]?.what()
  }

  return {
    leases,
    places: placeMemory(),
    unreadable,
    asked,
    put,
    before: (kind, what) => void interruptions.push({ kind, what }),
    only() {
      const [first, another] = leases.values()
      if (!first || another) throw new Error(`expected one lease, found ${leases.size}`)
      return first.lease
    },
    async read(slot, generation) {
      note('read')
      return leases.get(leaseId(slot, generation))
    },
    async create(lease) {
      note('create')
      return leases.has(lease.id) ? undefined : put(lease)
    },
    async replace(lease, etag) {
      note('replace')
      return leases.get(lease.id)?.etag === etag ? put(lease) : undefined
    },
    async *live(from): AsyncGenerator<LeasePage> {
      const ids = [...leases.keys()].toSorted().filter(id => from === undefined || id > from)
      for (let start = 0; start < ids.length; start += pageSize) {
        const found = ids.slice(start, start + pageSize).flatMap(id => leases.get(id) ?? [])
        const next = start + pageSize < ids.length ? ids[start + pageSize - 1] : undefined
        yield { leases: found.filter(({ lease }) => isLive(lease)), next }
      }
    },
    async heldBy({ issuer, subject, podUid }) {
      return [...leases.values()].filter(({ lease: { state, share, workload } }) => {
        const isMine = share === 'workload' || (workload.podUid ?? podUid) === podUid
        return state === 'active' && workload.issuer === issuer && workload.subject === subject && isMine
      })
    },
    async burdenOf(target, since) {
      const mine = [...leases.values()].filter(({ lease }) => lease.target === target)
      return {
        live: mine.filter(({ lease }) => lease.state !== 'revoked' && !lease.vacant).length,
        minted: mine.filter(({ lease }) => !lease.vacant && Date.parse(lease.mintUntil) > since + mintingTime).length,
      }
    },
    async statesOf(accounts) {
      const named = [...leases.values()].filter(({ lease }) => accounts.includes(lease.account))
      return new Map(named.map(({ lease }) => [lease.account, lease.state]))
    },
    async *due(now, without): AsyncGenerator<StoredLease | UnreadableLease> {
      const at = new Date(now).toISOString()
      const due = [...leases.values()].filter(({ lease }) => {
        const isThere = lease.location !== undefined && without.locations.includes(lease.location)
        const isLeftOut = lease.vacant ? without.vacant : isThere
        return lease.state !== 'revoked' && lease.dueAt <= at && !isLeftOut
      })
      yield* unreadable.map(id => ({ unreadable: id }))
      yield* due.toSorted((a, b) => (a.lease.dueAt < b.lease.dueAt ? -1 : 1))
    },
  }
}

/** A clock that stands until it is moved. */
export interface Clock {
  time: number
}

/** Where leases are kept, and the places that they have under quotas. */
export type LeaseContainer = LeaseStore & { readonly places: PlaceStore }

/** One instance of the gateway on that store: waiting moves the clock. */
export function instanceOn(store: LeaseContainer, clock: Clock): Leases {
  return openLeases({
    store,
    places: quotaPlaces({ store: store.places, now: () => clock.time }),
    budgets: targetBudgets({ store, now: () => clock.time }),
    deployment: 'test',
    derivationKey: async (version = '2') => ({ secret: new Secret(`derivation key ${version}`), version }),
    now: () => clock.time,
    pause: async milliseconds => {
      clock.time += milliseconds
    },
  })
}

/** What `payments/api` asks for: `read` of `orders-db` for a quarter of an hour. */
export function requestOf(overrides: Partial<SlotIdentity> = {}): Omit<SlotIdentity, 'deployment'> {
  return {
    target: 'orders-db',
    provider: 'postgresql',
    settings: { host: 'db' },
    account: { ...accountForm.parse({}), longestName: 63 },
    scopes: ['read'],
    meanings: [{ role: 'orders_read' }],
    ttl: 15 * minute,
    share: 'pod',
    rules: [{ id: 'payments-reads', target: 'orders-db', version: '"1"' }],
    workload: paymentsApi,
    ...overrides,
  }
}
