import type { Stored } from '../document.ts'
import { groupsOf } from '../groups.ts'
import type { WorkloadIssuer } from '../workload/workload.ts'
import { type AskedOf, accessOf, type TargetAccess } from './access.ts'
import type { Rules } from './cosmos-rules.ts'

/** A lockdown that stands now and may be about the target. */
export interface StandingLockdown {
  readonly id: string
  readonly blocks: unknown
}

/** Who can reach a target, now. */
export interface ReachableTarget extends TargetAccess {
  readonly enabled: boolean
  readonly lockdowns: readonly StandingLockdown[]
  /** Whether those are all the lockdowns that may be about it. */
  readonly complete: boolean
}

/** The targets that a namespace may reach: some of them. */
export interface ReachOf {
  readonly targets: readonly ReachableTarget[]
  /** By which the search goes on: a page may hold none. */
  readonly continuation?: string
}

export interface FindAccess {
  /** Undefined where there is no such target. */
  ofTarget(id: string): Promise<ReachableTarget | undefined>
  /** Undefined where there is no such issuer, or the continuation is none. */
  ofNamespace(asked: { namespace: string; issuer?: string }, continuation?: string): Promise<ReachOf | undefined>
}

interface Page {
  readonly documents: readonly Stored<unknown>[]
  readonly continuation?: string
}

export interface FindAccessSources {
  /** The stored rules, as they are now: what was read once is not read again. */
  readonly openRules: () => Rules
  readonly readTarget: (id: string) => Promise<Stored<unknown> | undefined>
  readonly listTargets: (continuation: string | undefined) => Promise<Page | undefined>
  /** Those that may stand at a time, in epoch milliseconds. */
  readonly lockdowns: (time: number) => Promise<{ readonly documents: Page['documents']; readonly complete: boolean }>
  readonly issuerOf: (id: string) => Promise<WorkloadIssuer | undefined>
  /** Wall clock, epoch milliseconds. */
  readonly now: () => number
}

const readTogether = 10

/** Who can reach what, by the documents as they are stored now. Everything throws 503 where they cannot be read. */
export function findAccess(sources: FindAccessSources): FindAccess {
  const { openRules, readTarget, listTargets, lockdowns, issuerOf, now } = sources

  async function openReach() {
    const rules = openRules()
    const { documents, complete } = await lockdowns(now())
    const standing = documents.flatMap(({ content }) => standingIn(content, now()))
    return async (content: unknown, asked?: AskedOf): Promise<ReachableTarget> => {
      const id = String(memberOf(content, 'id'))
      const access = accessOf(id, await rules.of(id), now(), asked)
      const enabled = memberOf(content, 'enabled') !== false
      return { ...access, enabled, lockdowns: standing.filter(({ blocks }) => mayBlock(blocks, id)), complete }
    }
  }

  return {
    async ofTarget(id) {
      const found = await readTarget(id)
      return found && (await openReach())(found.content)
    },

    async ofNamespace({ namespace, issuer: id }, continuation) {
      const issuer = id === undefined ? undefined : await issuerOf(id)
      const page = await listTargets(continuation)
      if (!page || (id !== undefined && !issuer)) return undefined
      const reach = await openReach()
      const targets: ReachableTarget[] = []
      for (const some of groupsOf(page.documents, readTogether)) {
        targets.push(...(await Promise.all(some.map(({ content }) => reach(content, { namespace, issuer })))))
      }
      const next = page.continuation === undefined ? {} : { continuation: page.continuation }
      return { targets: targets.filter(({ allows }) => allows.length > 0), ...next }
    },
  }
}

function standingIn(content: unknown, time: number): readonly StandingLockdown[] {
  const expiresAt = memberOf(content, 'expiresAt')
  if (typeof expiresAt === 'string' && Date.parse(expiresAt) <= time) return []
  return [{ id: String(memberOf(content, 'id')), blocks: memberOf(content, 'blocks') ?? 'everything' }]
}

/** One that names no target may be about workloads of any. */
function mayBlock(blocks: unknown, target: string): boolean {
  return (memberOf(blocks, 'target') ?? target) === target
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Object.getOwnPropertyDescriptor(value, name)?.value : undefined
}
