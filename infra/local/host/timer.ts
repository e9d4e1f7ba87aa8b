import type { Schedule } from './ncrontab.ts'

/** What the real host tells a timer function; the programming model turns the names to camel case. */
export interface TimerInfo {
  readonly Schedule: { readonly AdjustForDST: boolean }
  readonly ScheduleStatus: { readonly Last: string; readonly Next: string; readonly LastUpdated: string }
  readonly IsPastDue: boolean
}

/** A timer function and its clock. */
export interface Timer {
  start(): void
  /** Runs it now, after a run that is under way. Rejects with what the function throws. */
  run(): Promise<void>
  /** Lets it start no more; resolves when no run is under way. */
  stop(): Promise<void>
}

interface TimerOptions {
  readonly schedule: Schedule
  readonly runOnStartup: boolean
  readonly call: (info: TimerInfo) => Promise<void>
  /** Takes what a scheduled run threw; it runs again when it is next due. */
  readonly onFailure: (error: unknown) => void
}

// setTimeout cannot wait longer than 24.8 days.
const longestWait = 86_400_000
const never = new Date('0001-01-01T00:00:00Z')

/**
 * Makes a timer of which one run at a time is under way: what comes due meanwhile is skipped, as on the real host. The
 * schedule's status is not kept across restarts, so a missed occurrence is one that this process slept through.
 */
export function createTimer({ schedule, runOnStartup, call, onFailure }: TimerOptions): Timer {
  let last = never
  let underWay: Promise<void> = Promise.resolve()
  let alarm: NodeJS.Timeout | undefined
  let stopped = false

  function run(due = new Date()): Promise<void> {
    const info = () => describeRun(schedule, last, due)
    const result = underWay.then(() => call(info()).finally(() => (last = due)))
    underWay = result.catch(() => {})
    return result
  }

  function wait(due: Date): void {
    const left = due.getTime() - Date.now()
    alarm = setTimeout(left > longestWait ? () => wait(due) : () => void fire(due), Math.min(left, longestWait))
  }

  async function fire(due: Date): Promise<void> {
    await run(due).catch(onFailure)
    // Never before `due`: setTimeout may ring a moment early, and the same occurrence would come twice.
    if (!stopped) wait(schedule.next(new Date(Math.max(due.getTime(), Date.now()))))
  }

  return {
    start: () => (runOnStartup ? void fire(new Date()) : wait(schedule.next(new Date()))),
    run: () => run(),
    async stop() {
      stopped = true
      clearTimeout(alarm)
      await underWay
    },
  }
}

function describeRun(schedule: Schedule, last: Date, due: Date): TimerInfo {
  const now = new Date()
  const next = schedule.next(due)
  return {
    Schedule: { AdjustForDST: true },
    ScheduleStatus: { Last: last.toISOString(), Next: next.toISOString(), LastUpdated: last.toISOString() },
    IsPastDue: next <= now,
  }
}
