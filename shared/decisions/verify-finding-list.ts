import type { Finding } from './verify-finding.ts'

/** A log may be wrong in more places than anybody reads, or memory holds. The rest is counted. */
export const maxListed = 1_000

/** What is found while reading. */
export interface FindingList {
  readonly list: readonly Finding[]
  add(finding: Finding): void
  /** How many are not in the list. */
  omitted(): number
  /** Whether any is about a checkpoint. */
  isOfCheckpoints(): boolean
}

/** An empty list. */
export function findingList(): FindingList {
  const list: Finding[] = []
  let omitted = 0
  let isOfCheckpoints = false
  return {
    list,
    add(finding) {
      isOfCheckpoints ||= finding.subject === 'checkpoint'
      if (list.length < maxListed) list.push(finding)
      else omitted += 1
    },
    omitted: () => omitted,
    isOfCheckpoints: () => isOfCheckpoints,
  }
}
