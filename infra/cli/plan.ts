import type { Difference } from '../../shared/document-diff.ts'
import { type Change, findChanges } from './changes.ts'
import { differenceLine } from './difference-line.ts'
import { offersDryRun, type Tried, tryChange } from './dry-run.ts'
import { onlyWord, readFlags } from './flags.ts'
import { operate } from './gateway.ts'
import { printable } from './printable.ts'
import { mostRemovals, pruneOptions, pruneUsage, tooManyRemovals } from './prune.ts'
import { waitsFor } from './references.ts'

export const planUsage = `causeway plan DIR [--prune [--prune-at-most N]]
  Compares a folder with the gateway and says what apply would do, with lint and impact where the gateway tells them.
  Exit code 0: nothing differs; 2: something does; 1: it could not be told, or would be refused.
  DIR holds files of YAML or JSON, one document or more in each: the folders issuers/, calendars/, targets/,
  guardrails/ and rules/ tell their kind.
${pruneUsage}`

/** `causeway plan`: resolves to 0 where nothing differs, to 2 where something does, to 1 where it would be refused. */
export async function planCommand(args: readonly string[]): Promise<number> {
  const { values, positionals } = readFlags(args, pruneOptions)
  const most = mostRemovals(values)
  const folder = onlyWord(positionals, 'DIR')
  const operating = operate(values)
  const { changes, elsewhere } = await findChanges(folder, operating, values.prune)
  const canTry = changes.length > 0 && (await offersDryRun(operating))
  let refused = false
  for (const [at, change] of changes.entries()) {
    const { lines, diff, refusedAt }: Tried = canTry ? await tryChange(change, operating) : { lines: [] }
    console.log(changeLines(change, diff).join('\n'))
    for (const line of lines) console.log(`    ${printable(line)}`)
    // What it names may not be there, or not be so, before the changes ahead of it are made.
    const named = refusedAt && waitsFor(change, refusedAt, changes.slice(0, at))
    if (named !== undefined) console.log(`    this may be since ${named} is changed first: apply will tell`)
    refused ||= refusedAt !== undefined && named === undefined
  }
  console.log(summary(changes, elsewhere))
  if (changes.length > 0 && !canTry) console.log('This gateway offers no dry run: lint and impact are not told.')
  const tooMany = tooManyRemovals(changes, most)
  if (tooMany !== undefined) console.log(`Apply would refuse this: ${tooMany}.`)
  if (refused || tooMany !== undefined) return 1
  return changes.length > 0 ? 2 : 0
}

/** A change as people read it, with where the documents differ: as the gateway says, where it does. */
export function changeLines(change: Change, told?: readonly Difference[]): readonly string[] {
  const title = `${change.action} ${change.path}`
  if (change.action !== 'replace') return [title]
  return [title, ...(told ?? change.diff).map(each => `    ${differenceLine(each)}`)]
}

function summary(changes: readonly Change[], elsewhere: readonly string[]): string {
  const count = (action: Change['action']) => changes.filter(change => change.action === action).length
  const numbers = `${count('create')} to create, ${count('replace')} to replace, ${count('remove')} to remove`
  const others = elsewhere.length > 0 ? `; ${elsewhere.length} are not in the folder, and stay` : ''
  return `${changes.length === 0 ? 'Nothing differs' : numbers}${others}.`
}
