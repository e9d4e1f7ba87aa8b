import { app } from '@azure/functions'
import type { TimersGateway } from '../../shared/gateway.ts'

/** Below the five minutes that a function may run at the least. */
const budget = 240_000

/** Each hour: removes the accounts that nobody answers for. A run that fails is a line in the log, and the next run tries again. */
export function registerReconcile(timers: TimersGateway): void {
  app.timer('reconcile', {
    schedule: '0 17 * * * *',
    handler: async (_timer, context) => {
      const run = await timers.reconcile(AbortSignal.timeout(budget))
      const isWrong = run.held.length > 0 || !run.complete || Object.keys(run.failed).length > 0
      if (run.strays === 0 && !isWrong) return
      context.log(JSON.stringify({ level: isWrong ? 'error' : 'info', timer: 'reconcile', ...run }))
    },
  })
}
