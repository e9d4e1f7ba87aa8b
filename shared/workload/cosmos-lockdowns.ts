import type { Follower } from '../cosmos-follower.ts'
import { tombstone, withoutSystemProperties } from '../document.ts'
import { blocks, type Lockdown, type LockdownSubject, lockdownDocument, stands } from './lockdown.ts'

type Document = Readonly<Record<string, unknown>>

/** The lockdowns in force. */
export interface Lockdowns {
  /** The id of one that blocks this, where one does. Throws 503 where the answer could be too old. */
  find(subject: LockdownSubject, time: number): Promise<string | undefined>
}

/** The lockdowns in force, for whoever ends leases too. */
export interface RevokingLockdowns extends Lockdowns {
  /** Those that stand at that time and revoke leases. Throws 503 where the answer could be too old. */
  revoking(time: number): Promise<readonly Lockdown[]>
}

/**
 * All lockdowns, in memory and kept in step by the change feed. One that cannot be read blocks everything: nobody can
 * tell what it was meant to end.
 */
export function cosmosLockdowns(follow: (onChange: (document: Document) => void) => Follower): RevokingLockdowns {
  const standing = new Map<string, Lockdown>()
  const follower = follow(document => {
    const id = String(document['id'])
    if (tombstone.safeParse(document).success) standing.delete(id)
    else standing.set(id, parsed(id, document))
  })
  return {
    async find(subject, time) {
      await follower.ensureFresh()
      for (const [id, lockdown] of standing) if (blocks(lockdown, subject, time)) return id
      return undefined
    },
    async revoking(time) {
      await follower.ensureFresh()
      return [...standing.values()].filter(lockdown => lockdown.revokeLeases && stands(lockdown, time))
    },
  }
}

/** It revokes nothing: what is refused by mistake comes back once it is mended, sessions that were ended do not. */
function parsed(id: string, document: Document): Lockdown {
  const read = lockdownDocument.safeParse(withoutSystemProperties(document))
  if (read.success) return read.data
  return { schema: 1, id, blocks: 'everything', reason: 'cannot be read', revokeLeases: false }
}
