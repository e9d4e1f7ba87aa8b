import { z } from 'zod'
import type { App } from './app.ts'
import { invoke } from './invoke.ts'
import { describe } from './log.ts'
import { parseSchedule } from './ncrontab.ts'
import { createTimer, type Timer } from './timer.ts'
import { createTraceContext } from './trace-context.ts'
import { type Trigger, triggersOf } from './triggers.ts'

/** The timer functions of an app. */
export interface Timers {
  start(): void
  /** Runs one now. Rejects with what it throws, and for a name that no timer has. */
  run(name: string): Promise<void>
  /** Lets none start; resolves when no run is under way. */
  stop(): Promise<void>
}

const timerTrigger = z.object({ schedule: z.string(), runOnStartup: z.boolean().default(false) })

/** Prepares every timer function. Throws for a schedule that cannot be read. A `retry` policy is passed over. */
export function createTimers(app: App): Timers {
  const triggers = triggersOf(app.functions.values(), 'timerTrigger')
  const timers = new Map(triggers.map(trigger => [trigger.called.metadata.name, createAppTimer(app, trigger)]))
  return {
    start() {
      for (const [name, timer] of timers) if (!isDisabled(name)) timer.start()
    },
    async run(name) {
      const timer = timers.get(name)
      if (!timer) throw new Error(`no timer function is named ${name}`)
      await timer.run()
    },
    async stop() {
      await Promise.all(Array.from(timers.values(), timer => timer.stop()))
    },
  }
}

/**
 * An app setting takes a timer off its schedule; whoever asks for a run of it has one all the same.
 *
 * @see https://learn.microsoft.com/azure/azure-functions/disable-function
 */
function isDisabled(name: string): boolean {
  return process.env[`AzureWebJobs.${name}.Disabled`]?.toLowerCase() === 'true'
}

function createAppTimer(app: App, { called, name: trigger, binding }: Trigger): Timer {
  const { schedule, runOnStartup } = timerTrigger.parse(binding)
  return createTimer({
    schedule: parseSchedule(schedule),
    runOnStartup,
    call: async info => {
      const data = { json: JSON.stringify(info) }
      await invoke(app, { called, trigger, data, traceContext: createTraceContext() })
    },
    onFailure: error => app.print('error', `function ${called.metadata.name} failed: ${describe(error)}`),
  })
}
