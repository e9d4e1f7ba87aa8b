import type { Workload } from '../workload/workload.ts'

/** The target as rules see it. */
export interface TargetFacts {
  readonly id: string
  readonly labels: Readonly<Record<string, string>>
  /** The scopes that the target defines. */
  readonly scopes: readonly string[]
  /** Milliseconds: the ttl of a rule that names none, and the longest that any rule may give. */
  readonly defaultTtl: number
  readonly maxTtl: number
}

/** Where the request came from. */
export interface Client {
  readonly address?: string
  /** `direct`: the App Service front end saw it. `forwarded`: a trusted actor says so. `unknown`: nobody vouches. */
  readonly provenance: 'direct' | 'forwarded' | 'unknown'
}

/** What rules are judged against, exactly as the record stores it. */
export interface Facts {
  readonly workload: Workload
  /** Who asks on the workload's behalf. */
  readonly actor?: Workload
  readonly target: TargetFacts
  /** The scopes asked for, or the target's default ones. */
  readonly scopes: readonly string[]
  readonly client: Client
  /** Epoch milliseconds. */
  readonly time: number
}
