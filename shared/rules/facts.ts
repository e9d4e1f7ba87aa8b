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
  readonly provenance: Provenance
  /** ISO 3166-1 alpha-2 code of the address's country, where the database of the settings knows it. */
  readonly country?: string
}

export type Provenance = 'direct' | 'forwarded' | 'unknown'

/** What a posture signal can be about. */
export const postureKinds = ['cluster', 'namespace', 'node', 'serviceAccount', 'pod'] as const
export type PostureKind = (typeof postureKinds)[number]

/** The name of a signal, and what it is about. */
export interface SignalName {
  readonly of: PostureKind
  readonly signal: string
}

/** What was last observed of one of them. */
export interface Signal {
  /** ISO 8601 instants. */
  readonly observedAt: string
  readonly expiresAt: string
  readonly value: Json
}

export type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json }

/** Signals by what they are about and by name: those that rules about this workload ask for. */
export type Posture = Readonly<Partial<Record<PostureKind, Readonly<Record<string, Signal>>>>>

/** What rules are judged against, exactly as the record stores it. */
export interface Facts {
  readonly workload: Workload
  /** Who asks on the workload's behalf. */
  readonly actor?: Workload
  readonly target: TargetFacts
  /** The scopes asked for, or the target's default ones. */
  readonly scopes: readonly string[]
  readonly client: Client
  readonly posture?: Posture
  /** Epoch milliseconds. */
  readonly time: number
}
