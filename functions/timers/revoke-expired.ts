import { app } from '@azure/functions'
import type { TimersGateway } from '../../shared/gateway.ts'

/** One run ends before the next begins. */
const budget = 50_000

/** Each minute: ends the leases that are due, or locked down. A run that fails is a line in the log, and the next run tries again. */
export function registerRevokeExpired(timers: TimersGateway): void {
  app.timer('revoke-expired', {
    schedule: '0 * * * * *',
    handler: async (_timer, context) => {
      const traceParent = context.traceContext?.traceParent
      const signal = AbortSignal.timeout(budget)
      const run = await timers.inSpan('causeway.revoke-expired', traceParent, () => timers.revokeDue(signal))
      await timers.observeLeases(signal)
      if (run.revoked + run.failed + run.unreadable.length === 0 && !run.lockdownProblem) return
      const level = run.lockdownProblem ? 'error' : 'info'
      context.log(JSON.stringify({ level, timer: 'revoke-expired', ...run }))
    },
  })
}
