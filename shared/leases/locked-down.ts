import type { Lockdown } from '../workload/lockdown.ts'
import type { Holder, Lease } from './lease.ts'

/** What a lockdown may name of a caller. */
type Identity = Readonly<Partial<Record<string, string>>>

/** Whether a lockdown names this lease, by what the lease's own document tells of its workload and actor. */
export function isLockedDown(lease: Lease, { blocks: named }: Lockdown): boolean {
  if (named === 'everything') return true
  const { target, rule, ...identity } = named
  if (target !== undefined && target !== lease.target) return false
  if (rule !== undefined && !lease.rules.some(({ id }) => id === rule)) return false
  return [lease.workload, lease.actor].some(who => who !== undefined && isNamed(who, lease.share, identity))
}

function isNamed(holder: Holder, share: Lease['share'], identity: Identity): boolean {
  const { issuer, namespace, serviceAccount, podUid, node, keyId } = holder
  const told: Identity = { issuer, namespace, serviceAccount, podUid, node, keyId }
  return Object.entries(identity).every(
    ([name, value]) => value === undefined || told[name] === value || mayBe(name, told, share),
  )
}

/** Whether the holder may be what is named, though its lease does not say so. */
function mayBe(name: string, told: Identity, share: Lease['share']): boolean {
  const isUntold = told[name] === undefined
  // Every token has a key: a document that does not tell it is of a time when leases told none of this.
  if (told['keyId'] === undefined && isUntold) return true
  // Of those who share a lease, the document tells the one that reserved it.
  if (name === 'keyId') return share === 'workload'
  if (name !== 'podUid' && name !== 'node') return false
  const isOfCluster = told['keyId'] === undefined || told['namespace'] !== undefined
  return isOfCluster && (isUntold || share === 'workload')
}
