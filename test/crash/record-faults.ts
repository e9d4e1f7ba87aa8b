import type { Fault, Faults } from '../../infra/local/cosmos/server.ts'

/** What Cosmos DB fails: the log's own requests, and those that come before a record. */
const places: readonly Fault[] = [
  { container: 'decisions', action: 'create' },
  { container: 'decisions', action: 'create' },
  { container: 'streams', action: 'create' },
  { container: 'decisions', action: 'read' },
  { container: 'leases', action: 'create' },
]

/** How it fails. The gateway's client gives up after 2.5 s. */
const kinds: readonly Fault[] = [
  { status: 429, retryAfterMs: 20 },
  { reset: true, when: 'after-commit' },
  { status: 503 },
  { delayMs: 3_000, when: 'after-commit' },
  { status: 503, when: 'after-commit' },
  { reset: true },
  { delayMs: 400, when: 'after-commit' },
  { delayMs: 3_000 },
  { status: 429, retryAfterMs: 10_000 },
]

/** Gives out faults without end, each kind in every place: one to three requests meet it. */
export function faultsInTurn(faults: Faults): () => void {
  let given = 0
  return () => {
    const fault = { ...places[given % places.length], ...kinds[Math.floor(given / places.length) % kinds.length] }
    faults.add({ ...fault, times: 1 + (given % 3) })
    given += 1
  }
}
