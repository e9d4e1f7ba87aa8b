import type { DocumentAction, Fault } from '../../infra/local/cosmos/server.ts'
import type { Deployment } from './deployment.ts'

/** The ways in which Cosmos DB, or the way to it, fails. The client repeats what is throttled twice. */
export const cosmosFaults = {
  '403': { status: 403 },
  '412': { status: 412 },
  '412 after commit': { status: 412, when: 'after-commit' },
  '429 once': { status: 429, retryAfterMs: 5 },
  '429 that lasts': { status: 429, retryAfterMs: 5, times: 3 },
  '503': { status: 503 },
  '503 that lasts': { status: 503, times: 10 },
  '503 after commit': { status: 503, when: 'after-commit' },
  reset: { reset: true },
  'reset after commit': { reset: true, when: 'after-commit' },
  'time-out': { delayMs: 2_000 },
  'time-out that lasts': { delayMs: 2_000, times: 10 },
  'time-out after commit': { delayMs: 2_000, when: 'after-commit' },
} as const satisfies Readonly<Record<string, Fault>>
export type CosmosFault = keyof typeof cosmosFaults

/** One request among those of a route: the container, what is done there, and how many such come before it. */
export type Step = readonly [container: 'leases' | 'decisions', action: DocumentAction, before: number]

/** The fault meets that request and no other. */
export function breakStep({ cosmos }: Deployment, [container, action, before]: Step, fault: Fault): void {
  // One that does nothing takes the place of each request before it.
  if (before > 0) cosmos.add({ container, action, times: before })
  cosmos.add({ container, action, times: 1, ...fault })
}
