import { createHash, timingSafeEqual } from 'node:crypto'
import type { Secret } from '../credentials/secret.ts'
import type { Workload } from '../workload/workload.ts'
import type { LeaseStore } from './cosmos-leases.ts'
import { type Lease, parseLeaseId, type StoredLease } from './lease.ts'
import { holderOf, isHeldBy } from './lease-states.ts'

interface FindHeldParts {
  readonly store: Pick<LeaseStore, 'read' | 'heldBy'>
  readonly secretOf: (lease: Lease) => Promise<Secret>
}

/** The workload's own live lease of that id, or whose secret this is. */
export async function findHeld(
  token: Secret,
  workload: Workload,
  { store, secretOf }: FindHeldParts,
): Promise<StoredLease | undefined> {
  const place = parseLeaseId(token.reveal())
  if (place) {
    const found = await store.read(place.slot, place.generation)
    return found && isHeldBy(found.lease, workload) ? found : undefined
  }
  // No digest of a secret is kept anywhere: the workload's leases are few, and each tells its secret again.
  const held = await store.heldBy(holderOf(workload))
  for (const stored of held.filter(({ lease }) => isHeldBy(lease, workload))) {
    if (sameSecret(await secretOf(stored.lease), token)) return stored
  }
  return undefined
}

/** In constant time: how much of a guess is right must not be told by how long the answer takes. */
function sameSecret(a: Secret, b: Secret): boolean {
  const digest = (secret: Secret) => createHash('sha256').update(secret.reveal()).digest()
  return timingSafeEqual(digest(a), digest(b))
}
