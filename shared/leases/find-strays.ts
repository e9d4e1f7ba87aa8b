import type { Minter } from '../credentials/credential-provider.ts'
import type { Stray } from '../decisions/record.ts'
import { type Reason, toExchangeError } from '../errors.ts'
import type { OwnNames } from './account-name.ts'
import type { LeaseStore } from './cosmos-leases.ts'
import { drain } from './drain.ts'

/** A target on which this deployment makes accounts, or what is wrong with its document. */
export type MintingTarget =
  | { readonly id: string; readonly minter: Minter<unknown>; readonly names: OwnNames }
  | { readonly id: string; readonly problem: string }

/** A stray, and who can remove it. */
export type FoundStray = Stray & { readonly minter: Minter<unknown> }

export interface FindStraysOptions {
  /** Every target of this deployment that mints. Throws 503. */
  readonly targets: () => AsyncIterable<MintingTarget>
  readonly store: Pick<LeaseStore, 'statesOf'>
  readonly signal: AbortSignal
}

/** The strays among the accounts of this deployment, and the targets that could not be asked. */
export interface FoundStrays {
  readonly accounts: number
  readonly strays: readonly FoundStray[]
  readonly failed: ReadonlyMap<string, Reason>
}

type Listed = Pick<FoundStray, 'account' | 'target' | 'minter'>

const workers = 4
/** How long one target may take to list its accounts, in milliseconds: a dead one keeps no other waiting for long. */
const listingTime = 20_000

/**
 * Lists the accounts and then looks each up by its name, whatever its target: a lease is there before its account, so an
 * account without one is nobody's. Throws 503 where targets or leases cannot be read.
 */
export async function findStrays({ targets, store, signal }: FindStraysOptions): Promise<FoundStrays> {
  // By name: several targets may be on one server.
  const listed = new Map<string, Listed>()
  const failed = new Map<string, Reason>()
  const list = async (target: MintingTarget) => {
    if ('problem' in target) return void failed.set(target.id, 'target_unreadable')
    const names = await accountsOf(target, signal).catch(
      error => void failed.set(target.id, toExchangeError(error).reason),
    )
    for (const account of names ?? []) listed.set(account, { account, target: target.id, minter: target.minter })
  }
  const queue = targets()[Symbol.asyncIterator]()
  await Promise.all(Array.from({ length: workers }, () => drain(queue, list, signal)))
  const states = await store.statesOf([...listed.keys()])
  const strays = [...listed.values()].flatMap(account => strayOf(account, states.get(account.account)))
  return { accounts: listed.size, strays, failed }
}

function strayOf(listed: Listed, state: string | undefined): readonly FoundStray[] {
  if (state === undefined) return [{ ...listed, lease: 'none' }]
  return state === 'revoked' ? [{ ...listed, lease: 'revoked' }] : []
}

async function accountsOf(
  { minter, names }: Extract<MintingTarget, { minter: unknown }>,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const own: string[] = []
  const time = AbortSignal.any([signal, AbortSignal.timeout(listingTime)])
  for await (const { name } of minter.accounts(names.prefix, time)) if (names.isOwn(name)) own.push(name)
  return own
}
