import { app } from '@azure/functions'
import { toExchangeError } from '../../shared/errors.ts'
import type { TimersGateway } from '../../shared/gateway.ts'

/** One run ends before the next begins, with time to sign what it has looked at. */
const budget = 45_000

/**
 * Each minute: signs how far the decision log has come. A run that fails is a line in the log, and the next run tries
 * again: until then the newest records are there, and not proven.
 */
export function registerCheckpoint({ takeCheckpoint, inSpan }: TimersGateway): void {
  app.timer('checkpoint', {
    schedule: '30 * * * * *',
    handler: async (_timer, context) => {
      try {
        const traceParent = context.traceContext?.traceParent
        const signal = AbortSignal.timeout(budget)
        const run = await inSpan('causeway.checkpoint', traceParent, () => takeCheckpoint(signal))
        const { suspects, foreign, unread } = run
        if (suspects.length + foreign.length + unread.length > 0)
          context.error(JSON.stringify({ level: 'error', timer: 'checkpoint', ...run }))
      } catch (error) {
        const { reason, detail } = toExchangeError(error)
        context.error(JSON.stringify({ level: 'error', timer: 'checkpoint', reason, ...detail }))
      }
    },
  })
}
