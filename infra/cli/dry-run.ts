import { z } from 'zod'
import type { Difference } from '../../shared/document-diff.ts'
import type { Change } from './changes.ts'
import type { Operating } from './gateway.ts'
import { refusalLines } from './refusal.ts'
import { requestOf } from './request.ts'

const described = z.object({ paths: z.record(z.string(), z.record(z.string(), z.unknown())) })
const operation = z.object({ parameters: z.array(z.looseObject({ name: z.string().optional() })) })

/**
 * Whether the gateway says of itself that a save can be tried. One that does not know the parameter would pass over it,
 * and save: so nothing is tried there.
 */
export async function offersDryRun({ ask }: Operating): Promise<boolean> {
  const { status, body } = await ask('/openapi.json')
  const paths = described.safeParse(body)
  if (status !== 200 || !paths.success) return false
  const put = operation.safeParse(paths.data.paths['/manage/rules/{target}/{id}']?.['put'])
  return put.success && put.data.parameters.some(({ name }) => name === 'dryRun')
}

/** What the gateway says of a change without making it: what would be different, problems, lint, impact. In lines. */
export interface Tried {
  readonly lines: readonly string[]
  /** What would be different by now; absent where the gateway does not tell. */
  readonly diff?: readonly Difference[]
  /** Where it would be refused: what is wrong, by JSON pointer, as far as it is told so. */
  readonly refusedAt?: readonly string[]
}

const difference = z.looseObject({ pointer: z.string(), before: z.unknown().optional(), after: z.unknown().optional() })
const refused = z.object({ problems: z.array(z.object({ pointer: z.string() })) })

/** Asks the gateway what a change would come to. */
export async function tryChange(change: Change, { ask }: Operating): Promise<Tried> {
  const { path, ...request } = requestOf(change)
  const answer = await ask(`${path}?dryRun=true`, request)
  if (answer.status >= 300) {
    const { problems } = refused.catch({ problems: [] }).parse(answer.body)
    return { lines: refusalLines(answer), refusedAt: problems.map(({ pointer }) => pointer) }
  }
  const { diff, lint, impact, requiresApproval } = answer.body
  const told = z.array(difference).safeParse(diff)
  const lints = Array.isArray(lint) ? lint.map(each => `lint: ${textOf(each)}`) : []
  const effects = impact === undefined || impact === null ? [] : Object.entries(impact)
  const impacts = effects.map(([name, value]) => `impact: ${name}: ${textOf(value)}`)
  const approval = requiresApproval === true ? ['waits for the approval of a second person'] : []
  return { lines: [...lints, ...impacts, ...approval], ...(told.success && { diff: told.data }) }
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}
