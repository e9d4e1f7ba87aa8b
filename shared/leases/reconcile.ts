import { v7 as uuid } from 'uuid'
import type { DecisionLog, ReconciliationEntry, Stray } from '../decisions/record.ts'
import { type Reason, toExchangeError } from '../errors.ts'
import type { Sightings } from './cosmos-sightings.ts'
import { drain, inParallel } from './drain.ts'
import { type FindStraysOptions, type FoundStray, findStrays } from './find-strays.ts'

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
  /** There were too many strays without a lease to believe it: none of those was removed. */
  readonly held: boolean
  /** There was time for all of it. */
  readonly complete: boolean
  /** Targets that could not be asked, or whose strays could not be removed, and why; 20 at most. */
  readonly failed: Readonly<Record<string, Reason>>
}

/** More strays without a lease than this in one run, or a fifth of all accounts: something else is wrong. */
const believable = { strays: 10, share: 1 / 5 }
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
  const { accounts, strays, failed: unasked, complete } = await findStrays(options)
  const unknown = strays.filter(({ lease }) => lease === 'none')
  const held = isUnbelievable(unknown.length, accounts)
  // A lease that was revoked says so itself, however many there are: a server was restored from a backup, say.
  const believed = held ? strays.filter(({ lease }) => lease === 'revoked') : strays
  if (held) await decisions.write(entryOf('held', unknown, accounts))
  if (believed.length > 0) await decisions.write(entryOf('seen', believed, accounts))
  const due = believed.filter(({ account }) => seenBefore.has(account))
  const { removed, failed } = await removeAll(due, accounts, { ...options, run })
  const failures = Object.fromEntries([...unasked, ...failed].slice(0, shownFailures))
  const isComplete = complete && removed + failed.size >= due.length
  return { run, accounts, strays: strays.length, removed, held, complete: isComplete, failed: failures }
}

/** An emptied container makes every account a stray without a lease. */
function isUnbelievable(unknown: number, accounts: number): boolean {
  return unknown > believable.strays || unknown > accounts * believable.share
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
