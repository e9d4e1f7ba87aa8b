import type { CheckStep } from '../credentials/credential-provider.ts'
import { describeCause } from '../errors.ts'
import { checkTarget, type TargetCheckOptions } from './check-target.ts'
import type { TakenCheck, WaitingChecks } from './cosmos-checks.ts'

export interface AnswerChecksOptions extends TargetCheckOptions {
  readonly checks: WaitingChecks
  /** A target's document; undefined where there is none. */
  readonly readTarget: (id: string) => Promise<unknown>
  readonly signal: AbortSignal
}

/** What a run did. */
export interface ChecksRun {
  readonly answered: number
  /** What a check threw, which is a bug of its provider's. */
  readonly failed: readonly Readonly<Record<string, string | number>>[]
}

/** Takes the checks that wait and answers them side by side. Throws 503 where Cosmos DB cannot be asked. */
export async function answerChecks(options: AnswerChecksOptions): Promise<ChecksRun> {
  const taken = await options.checks.take()
  const failed = (await Promise.all(taken.map(check => answer(check, options)))).flat()
  return { answered: taken.length, failed }
}

async function answer({ target, finish }: TakenCheck, options: AnswerChecksOptions): Promise<ChecksRun['failed']> {
  const { readTarget, signal } = options
  const document = await readTarget(target)
  const failed: Readonly<Record<string, string | number>>[] = []
  const steps = await checkTarget(document, options, signal).catch(error => {
    failed.push({ target, ...describeCause(error) })
    return [broken]
  })
  await finish(steps)
  return failed
}

const broken: CheckStep = {
  step: 'check',
  ok: false,
  expected: 'the check comes to an end',
  found: "it did not: see the timers' log",
  reason: 'internal',
}
