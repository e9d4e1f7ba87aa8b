import { v7 as uuid } from 'uuid'
import type { DecisionLog, ReconciliationEntry, Stray } from '../decisions/record.ts'
import { type Reason, toExchangeError } from '../errors.ts'
import type { Sightings } from './cosmos-sightings.ts'
import { drain, inParallel } from './drain.ts'
import { type FindStraysOptions, type FoundStray, findStrays, type ServerStrays } from './find-strays.ts'

export interface ReconcileOptions extends FindStraysOptions {
  readonly sightings: Sightings
  readonly decisions: DecisionLog
  /** Wall clock, epoch milliseconds. */
  readonly now: () => number
}

/** What one run found and did. */
export interface ReconciliationRun {
  /** Its id: the evidence of what it removed names it. */
  readonly run: string
  /** Accounts of this deployment that the targets listed. */
  readonly accounts: number
  readonly strays: number
  readonly removed: number
  /** Targets on whose server there were too many strays without a lease to believe it: none of those was removed. */
  readonly held: readonly string[]
  /** There was time for all of it. */
  readonly complete: boolean
  /** Targets that could not be asked, or whose strays could not be removed, and why; 20 at most. */
  readonly failed: Readonly<Record<string, Reason>>
}

/**
 * More strays without a lease than this on one server, or than such a part of its accounts, and something else is wrong.
 * Among a few accounts one stray is a large part already, so the limit is wider there.
 */
const believable = { strays: 10, share: 1 / 5, few: 10, shareOfFew: 1 / 2 }
/** A stray is removed where a run saw it as long ago as this, in milliseconds: never by one run, or by two at once. */
const earlier = { least: 10 * 60_000, most: 3 * 60 * 60_000 }
const workers = 4
const [shownStrays, shownFailures] = [100, 20]

/**
 * Removes the accounts that nobody answers for: of this deployment, with no lease or a revoked one, and seen so by two
 * runs. Safe to run twice at once. Throws 503 where nothing could be compared or recorded; then nothing was removed.
 */
export async function reconcile(options: ReconcileOptions): Promise<ReconciliationRun> {
  const { decisions, sightings, now } = options
  const run = uuid()
  const seenBefore = await sightings.between(now() - earlier.most, now() - earlier.least)
  const { servers, failed: unasked, complete } = await findStrays(options)
  const accounts = servers.reduce((sum, server) => sum + server.accounts, 0)
  const held = servers.filter(isUnbelievable)
  for (const server of held) await decisions.write(entryOf('held', server.strays.filter(isUnknown), server.accounts))
  // A lease that was revoked says so itself, however many there are: a server was restored from a backup, say.
  const believed = servers.flatMap(server =>
    held.includes(server) ? server.strays.filter(stray => !isUnknown(stray)) : server.strays,
  )
  if (believed.length > 0) await decisions.write(entryOf('seen', believed, accounts))
  const due = believed.filter(({ account }) => seenBefore.has(account))
  const { removed, failed } = await removeAll(due, accounts, { ...options, run })
  return {
    run,
    accounts,
    strays: servers.reduce((sum, { strays }) => sum + strays.length, 0),
    removed,
    held: [...new Set(held.flatMap(({ strays }) => strays.filter(isUnknown).map(({ target }) => target)))],
    complete: complete && removed + failed.size >= due.length,
    failed: Object.fromEntries([...unasked, ...failed].slice(0, shownFailures)),
  }
}

function isUnknown({ lease }: Stray): boolean {
  return lease === 'none'
}

/** An emptied container makes every account a stray without a lease, on each server. */
function isUnbelievable({ accounts, strays }: ServerStrays): boolean {
  const share = accounts < believable.few ? believable.shareOfFew : believable.share
  const unknown = strays.filter(isUnknown).length
  return unknown > believable.strays || unknown > accounts * share
}

/** Ends strays and their sessions, and records each with what was seen. One that fails keeps no other. */
async function removeAll(
  due: readonly FoundStray[],
  accounts: number,
  { decisions, now, signal, run }: ReconcileOptions & Pick<ReconciliationRun, 'run'>,
): Promise<{ readonly removed: number; readonly failed: ReadonlyMap<string, Reason> }> {
  const failed = new Map<string, Reason>()
  let removed = 0
  const remove = async (stray: FoundStray) => {
    try {
      const account = { name: stray.account, scopes: [], expiresAt: now(), mintUntil: now() }
      const evidence = { ...(await stray.minter.revoke(account, 'now', signal)), run }
      await decisions.write(entryOf('removed', [{ ...stray, evidence }], accounts))
      removed += 1
    } catch (error) {
      failed.set(stray.target, toExchangeError(error).reason)
    }
  }
  const queue = due.values()
  await inParallel(workers, () => drain(queue, remove, signal))
  return { removed, failed }
}

function entryOf(
  outcome: ReconciliationEntry['outcome'],
  strays: readonly (Stray | FoundStray)[],
  accounts: number,
): ReconciliationEntry {
  const shown = strays.slice(0, shownStrays).map(withoutMinter)
  const omitted = strays.length - shown.length
  const told = { accounts, strays: shown, ...(omitted > 0 && { straysOmitted: omitted }) }
  return { kind: 'reconciliation', decision: uuid(), outcome, ...told }
}

function withoutMinter({ account, target, lease, evidence }: Stray): Stray {
  return { account, target, lease, ...(evidence && { evidence }) }
}
