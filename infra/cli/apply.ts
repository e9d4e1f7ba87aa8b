import { type Change, findChanges } from './changes.ts'
import { onlyWord, readFlags } from './flags.ts'
import { type Operating, operate } from './gateway.ts'
import { changeLines } from './plan.ts'
import { printable } from './printable.ts'
import { mostRemovals, pruneOptions, pruneUsage, tooManyRemovals } from './prune.ts'
import { refusalLines } from './refusal.ts'
import { type Leases, requestOf } from './request.ts'
import { UsageError } from './usage-error.ts'

export const applyUsage = `causeway apply DIR [--prune --leases keep|revoke [--prune-at-most N]]
  Makes the gateway have what the folder says, each change only where the document is as it was read. Stops at the first
  refusal; running it again goes on. Exit code 0: all of it is so; 2: some of it waits for approval; 1: it stopped.
${pruneUsage}
  --leases L      what becomes of the leases of rules that are removed: keep or revoke`

/** `causeway apply`: resolves to 0, to 2 where something waits for a second person, to 1 where it stopped. */
export async function applyCommand(args: readonly string[]): Promise<number> {
  const options = { ...pruneOptions, leases: { type: 'string' } } as const
  const { values, positionals } = readFlags(args, options)
  const leases = leasesOf(values.leases, values.prune)
  const most = mostRemovals(values)
  const folder = onlyWord(positionals, 'DIR')
  const operating = operate(values)
  const { changes } = await findChanges(folder, operating, values.prune)
  const removesRule = changes.some(({ action, kind }) => action === 'remove' && kind.plural === 'rules')
  if (removesRule && !leases) throw new UsageError('--leases is missing: what becomes of the leases of removed rules')
  const tooMany = tooManyRemovals(changes, most)
  if (tooMany !== undefined) throw new UsageError(tooMany)
  let waiting = 0
  for (const change of changes) {
    const outcome = await make(change, operating, leases)
    if (outcome === 'refused') return 1
    if (outcome === 'waiting') waiting += 1
  }
  console.log(changes.length === 0 ? 'Nothing differs.' : `${changes.length - waiting} done, ${waiting} waiting.`)
  return waiting > 0 ? 2 : 0
}

async function make(
  change: Change,
  { ask }: Operating,
  leases: Leases | undefined,
): Promise<'done' | 'waiting' | 'refused'> {
  const { path, ...request } = requestOf(change, leases)
  const answer = await ask(path, request)
  if (answer.status >= 300) {
    console.error(`causeway: ${change.action} ${change.path}: ${refusalLines(answer).join('\n')}`)
    return 'refused'
  }
  console.log(changeLines(change).join('\n'))
  if (answer.status !== 202) return 'done'
  const id = answer.body['change']
  console.log(
    `    waits for the approval of a second person${typeof id === 'string' ? `: change ${printable(id)}` : ''}`,
  )
  return 'waiting'
}

function leasesOf(given: string | undefined, prune: boolean): Leases | undefined {
  if (given === undefined) return undefined
  if (!prune) throw new UsageError('--leases goes with --prune')
  if (given !== 'keep' && given !== 'revoke') throw new UsageError('--leases: expected keep or revoke')
  return given
}
