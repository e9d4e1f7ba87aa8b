import type { Stage } from './stage.ts'

/** How long and how often everything is measured. */
export interface Plan {
  /** Two loads that are compared take turns so often, each for so many seconds. */
  readonly rounds: number
  readonly seconds: number
  /** Concurrent callers, each on a connection of its own. */
  readonly callers: number
  /** Leases that are minted, one after the other. */
  readonly mints: number
  /** Processes that are started, one after the other. */
  readonly starts: number
  /** Seconds of load before memory is looked at. */
  readonly soak: number
  /** Records of the log that is verified. */
  readonly records: number
}

/** What a part may use. */
export interface Context {
  readonly plan: Plan
  readonly stage: Stage
  /** Tells whoever waits. */
  readonly progress: (line: string) => void
}

/** One number, under a name that stays the same from release to release. */
export interface Measurement {
  readonly name: string
  readonly value: number
  readonly unit: string
  /** The smallest and the largest of what `value` is the median of. */
  readonly spread?: readonly [number, number]
  /** What else was seen, for the reader of the results. */
  readonly detail: string
}

/** One part of the benchmark. It measures all of its names, in one go. */
export interface Part {
  readonly names: readonly string[]
  run(context: Context): Promise<readonly Measurement[]>
}
