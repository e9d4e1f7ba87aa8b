import { app } from '@azure/functions'
import type { TimersGateway } from '../../shared/gateway.ts'

/** One run and the count after it end before the next run begins. */
const [budget, countingTime] = [50_000, 8_000]

/** Each minute: ends the leases that are due, or locked down. A run that fails is a line in the log, and the next run tries again. */
export function registerRevokeExpired(timers: TimersGateway): void {
  app.timer('revoke-expired', {
    schedule: '0 * * * * *',
    handler: async (_timer, context) => {
      const traceParent = context.traceContext?.traceParent
      const line = await timers.inSpan('causeway.revoke-expired', traceParent, () => endDue(timers))
      if (line) context.log(JSON.stringify(line))
    },
  })
}

/**
 * One run, and what is to be said of it: nothing where there was nothing to do. `left` is what it had no time for. It is
 * counted in a time of its own: how much that is matters most where the run used up its.
 */
export async function endDue({ revokeDue, observeLeases }: Pick<TimersGateway, 'revokeDue' | 'observeLeases'>) {
  const run = await revokeDue(AbortSignal.timeout(budget))
  const left = await observeLeases(AbortSignal.timeout(countingTime))
  const isWrong = run.unreadable.length > 0 || run.lockdownProblem !== undefined
  if (run.revoked + run.failed + (left ?? 0) === 0 && !isWrong) return undefined
  const level = isWrong ? 'error' : left ? 'warn' : 'info'
  return { level, timer: 'revoke-expired', ...run, left }
}
