import type { Minter } from '../credentials/credential-provider.ts'
import type { Stray } from '../decisions/record.ts'
import { type Reason, toExchangeError } from '../errors.ts'
import type { OwnNames } from './account-name.ts'
import type { LeaseStore } from './cosmos-leases.ts'
import { drain, inParallel } from './drain.ts'

/** A target on which this deployment makes accounts, or what is wrong with its document. */
export type MintingTarget = AskedTarget | { readonly id: string; readonly problem: string }

/** Who lists the accounts of a target. */
interface AskedTarget {
  readonly id: string
  readonly minter: Minter<unknown>
  readonly names: OwnNames
  /** It is known by leases alone: what has no lease there is nobody's business here. */
  readonly onlyRevoked?: boolean
}

/** A stray, and who can remove it. */
export type FoundStray = Stray & { readonly minter: Minter<unknown> }

export interface FindStraysOptions {
  /** The targets that could not be asked by the run before: they come last. Changed by each run. */
  readonly unasked: Set<string>
  /** Every target of this deployment that mints. Throws 503. */
  readonly targets: () => AsyncIterable<MintingTarget>
  readonly store: Pick<LeaseStore, 'statesOf'>
  readonly signal: AbortSignal
}

/** What one server listed: how many accounts of this deployment, and the strays among them. */
export interface ServerStrays {
  readonly accounts: number
  readonly strays: readonly FoundStray[]
}

/** The strays among the accounts of this deployment, and the targets that could not be asked. */
export interface FoundStrays {
  readonly servers: readonly ServerStrays[]
  readonly failed: ReadonlyMap<string, Reason>
  /** There was time to ask every target. */
  readonly complete: boolean
}

type Listed = Pick<FoundStray, 'account' | 'target' | 'minter'> & Pick<AskedTarget, 'onlyRevoked'>

const workers = 4
/** How long one target may take to list its accounts, and all of them together, in milliseconds. */
const [listingTime, listingsTime] = [20_000, 150_000]

/**
 * Lists the accounts and then looks each up by its name, whatever its target: a lease is there before its account, so an
 * account without one is nobody's. Throws 503 where targets or leases cannot be read.
 */
export async function findStrays({ targets, store, unasked, signal }: FindStraysOptions): Promise<FoundStrays> {
  // By name: several targets may be on one server.
  const listed = new Map<string, Listed>()
  const failed = new Map<string, Reason>()
  const time = AbortSignal.any([signal, AbortSignal.timeout(listingsTime)])
  const deadBefore = new Set(unasked)
  const last: MintingTarget[] = []
  unasked.clear()
  const list = async (target: MintingTarget) => {
    if ('problem' in target) return void failed.set(target.id, 'target_unreadable')
    const { id, minter, onlyRevoked = false } = target
    const names = await accountsOf(target, time).catch(error => {
      // A server that nothing but old leases name may be gone for good.
      if (onlyRevoked) return
      unasked.add(id)
      failed.set(id, toExchangeError(error).reason)
    })
    for (const account of names ?? []) {
      if (!onlyRevoked || !listed.has(account)) listed.set(account, { account, target: id, minter, onlyRevoked })
    }
  }
  const listOrDefer = async (target: MintingTarget) => {
    if (deadBefore.has(target.id)) last.push(target)
    else await list(target)
  }
  const listing = targets()[Symbol.asyncIterator]()
  await inParallel(workers, () => drain(listing, listOrDefer, time))
  const deferred = last.values()
  await inParallel(workers, () => drain(deferred, list, time))
  const states = await store.statesOf([...listed.keys()])
  const own = [...listed.values()].filter(one => !one.onlyRevoked || states.get(one.account) === 'revoked')
  const servers = [...Map.groupBy(own, ({ minter }) => minter).values()].map(accounts => ({
    accounts: accounts.length,
    strays: accounts.flatMap(account => strayOf(account, states.get(account.account))),
  }))
  return { servers, failed, complete: !time.aborted }
}

function strayOf({ account, target, minter }: Listed, state: string | undefined): readonly FoundStray[] {
  if (state === undefined) return [{ account, target, minter, lease: 'none' }]
  return state === 'revoked' ? [{ account, target, minter, lease: 'revoked' }] : []
}

async function accountsOf({ minter, names }: AskedTarget, signal: AbortSignal): Promise<readonly string[]> {
  const own: string[] = []
  const time = AbortSignal.any([signal, AbortSignal.timeout(listingTime)])
  for await (const { name } of minter.accounts(names.prefix, time)) if (names.isOwn(name)) own.push(name)
  return own
}
