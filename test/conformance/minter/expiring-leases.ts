import { randomUUID } from 'node:crypto'
import type { Credential } from '../../../shared/credentials/credential.ts'
import { Secret } from '../../../shared/credentials/secret.ts'
import type { DecisionEntry } from '../../../shared/decisions/record.ts'
import type { HeldLease, Leases } from '../../../shared/leases/hold-lease.ts'
import type { Lease } from '../../../shared/leases/lease.ts'
import { quotaPlaces } from '../../../shared/leases/quota.ts'
import { type RevocationRun, revokeDue } from '../../../shared/leases/revoke-due.ts'
import { searchLive } from '../../../shared/leases/search-live.ts'
import { lockdownDocument } from '../../../shared/workload/lockdown.ts'
import { permitted } from '../../credentials/permission.ts'
import { type Clock, instanceOn, type LeaseMemory, leaseMemory, requestOf } from '../../leases/lease-store.ts'
import { paymentsApi } from '../../rules/facts.ts'
import type { Session } from './engine.ts'
import type { Trial } from './trial.ts'

/** A lease in force, with its two sessions. */
export interface Live {
  readonly held: HeldLease
  readonly credential: Credential
  readonly sessions: readonly [Session, Session]
}

/** Leases whose accounts are real, under a clock that is moved. */
export class ExpiringLeases {
  readonly store: LeaseMemory = leaseMemory()
  readonly clock: Clock = { time: Date.now() }
  /** What the decision log has been told. */
  readonly entries: DecisionEntry[] = []
  readonly #leases: Leases
  readonly #trial: Trial

  constructor(trial: Trial) {
    this.#trial = trial
    this.#leases = instanceOn(this.store, this.clock)
  }

  async live(onExpiry: Lease['onExpiry'] = 'finish-transactions'): Promise<Live> {
    const { minter, server } = this.#trial
    // A target of its own, and so an account that no other test has.
    const request = requestOf({ target: randomUUID(), meanings: [server.scopes.write], onExpiry })
    const held = await this.#leases.hold(request, 'decision-1')
    const credential = await minter.mint(held.account, new Secret(held.secret.reveal()), permitted())
    await this.#leases.activate(held)
    return { held, credential, sessions: [await server.login(credential), await server.login(credential)] }
  }

  async giveBack({ held }: Live): Promise<void> {
    const found = await this.#leases.findHeld(new Secret(held.stored.lease.id), paymentsApi)
    if (!found) throw new Error('expected to find the lease')
    await this.#leases.release(found)
  }

  /** One run of the timer. */
  run(more: { readonly lockedDown?: true } = {}): Promise<RevocationRun> {
    const lockdown = { schema: 1, id: 'incident-7', blocks: 'everything', reason: 'stolen', revokeLeases: true }
    const now = () => this.clock.time
    return revokeDue({
      store: this.store,
      places: quotaPlaces({ store: this.store.places, now }),
      decisions: { write: async entry => ({ stream: 'hour/boot/0', id: String(this.entries.push(entry)) }) },
      minterOf: () => this.#trial.minter,
      lockdowns: async () => (more.lockedDown ? [lockdownDocument.parse(lockdown)] : []),
      searchLive: searchLive(this.store),
      now,
      signal: new AbortController().signal,
    })
  }
}
