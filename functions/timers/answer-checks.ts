import { app } from '@azure/functions'
import type { TimersGateway } from '../../shared/gateway.ts'

/** Above what one check may take. A run that takes longer than five seconds holds up the next, and no other timer. */
const budget = 30_000

/** Each five seconds: answers the checks of targets that operators asked for, with the logins that this role may use. */
export function registerAnswerChecks(timers: TimersGateway): void {
  app.timer('answer-checks', {
    schedule: '*/5 * * * * *',
    handler: async (_timer, context) => {
      const run = await timers.answerChecks(AbortSignal.timeout(budget))
      if (run.answered === 0) return
      const level = run.failed.length > 0 ? 'error' : 'info'
      context.log(JSON.stringify({ level, timer: 'answer-checks', ...run }))
    },
  })
}
