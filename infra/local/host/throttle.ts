import type { HostSettings } from './host-settings.ts'

/** Lets requests in: some at once, some after waiting, the rest not at all. */
export interface Throttle {
  /** False: too busy. Everyone who was let in must `leave`. */
  enter(): Promise<boolean> | boolean
  leave(): void
}

type Limits = Pick<HostSettings, 'maxConcurrentRequests' | 'maxOutstandingRequests'>

/**
 * `maxConcurrentRequests` run, others wait; beyond `maxOutstandingRequests`, waiting ones included, a request is
 * refused.
 *
 * @see https://learn.microsoft.com/azure/azure-functions/functions-bindings-http-webhook#hostjson-settings
 */
export function createThrottle({ maxConcurrentRequests, maxOutstandingRequests }: Limits): Throttle {
  const waiting: ((entered: boolean) => void)[] = []
  let running = 0
  return {
    enter() {
      if (running + waiting.length >= maxOutstandingRequests) return false
      if (running >= maxConcurrentRequests) return new Promise(resolve => waiting.push(resolve))
      running += 1
      return true
    },
    leave() {
      const next = waiting.shift()
      // Who waited takes the place of who leaves.
      if (next) next(true)
      else running -= 1
    },
  }
}
