import { createHash } from 'node:crypto'
import canonicalize from 'canonicalize'
import { v7 as uuid } from 'uuid'
import type { AdminEntry, DecisionLog, RecordPosition } from '../decisions/record.ts'
import type { Problem } from '../document.ts'
import type { DocumentName } from '../document-kind.ts'
import { unavailable } from '../errors.ts'
import type { Workload } from '../workload/workload.ts'
import type { FoundSignal, PostureStore } from './cosmos-posture-store.ts'
import { isSignalName, parseObservation } from './posture-observation.ts'
import type { SignalDocument } from './posture-signal.ts'

type Document = Readonly<Record<string, unknown>>

/** What became of an observation. `older`: a later one is there already, observed then. */
export type ObservationOutcome =
  | { readonly kind: 'written'; readonly signal: SignalDocument }
  | { readonly kind: 'older'; readonly observedAt: string }
  | { readonly kind: 'invalid'; readonly problems: readonly Problem[] }

/** Posture as scanners write it, often: no versions are kept. Everything throws 503 where Cosmos DB cannot be asked. */
export interface PostureWriter {
  isSignalName(name: DocumentName): boolean
  read(name: DocumentName): Promise<SignalDocument | undefined>
  /** The observation that was made last wins, whoever comes last. */
  put(name: DocumentName, observation: unknown, operator: Workload): Promise<ObservationOutcome>
  /** False where there is none. */
  remove(name: DocumentName, operator: Workload): Promise<boolean>
}

export interface PostureWriterOptions {
  readonly store: PostureStore
  readonly decisions: DecisionLog
  /** Wall clock, epoch milliseconds. */
  readonly now: () => number
}

/** Seconds: a signal outlives its expiry by a day, its tombstone every instance that could have missed it. */
const day = 86_400
const tombstoneLife = 30 * day
const tries = 4

/**
 * Writes posture. On record, as intent and outcome, is each change of what is observed; not each time that
 * it is observed again, or there would be a record a minute for every node.
 */
export function postureWriter({ store, decisions, now }: PostureWriterOptions): PostureWriter {
  /** Writes under a record of it, again where somebody was faster: `next` says what, or undefined where nothing is to be. */
  async function change<T>(about: Change, next: (found: FoundSignal | undefined) => Next<T>): Promise<T> {
    const entry = { kind: 'admin' as const, decision: uuid(), ...about.entry }
    let follows: RecordPosition | undefined
    const tell = (outcome: Pick<AdminEntry, 'outcome' | 'after'>) =>
      follows && decisions.write({ ...entry, ...outcome, follows }).catch(ignore)
    try {
      for (let count = 0; count < tries; count++) {
        const found = await store.read(about.name)
        const { document, isOnRecord, result } = next(found)
        if (!document) {
          await tell({ outcome: 'failed' })
          return result
        }
        if (isOnRecord) follows ??= await decisions.write({ ...entry, outcome: 'intended' })
        const after = await store.write(about.name, document, found?.etag)
        if (after === undefined) continue
        await tell({ outcome: 'done', after })
        return result
      }
      throw unavailable('documents_unavailable')
    } catch (error) {
      await tell({ outcome: 'failed' })
      throw error
    }
  }

  return {
    isSignalName,

    async read(name) {
      return (await store.read(name))?.signal
    },

    async put(name, observation, operator) {
      const observed = parseObservation(name, observation, now())
      if ('problems' in observed) return { kind: 'invalid', problems: observed.problems }
      const { signal } = observed
      const document = { ...signal, ttl: Math.ceil((Date.parse(signal.expiresAt) - now()) / 1000) + day }
      const entry = { ...entryOf(name, operator), action: 'put' as const, contentHash: hashOf(signal) }
      return change<ObservationOutcome>({ name, entry }, found => {
        const before = found?.signal
        if (before && Date.parse(before.observedAt) > Date.parse(signal.observedAt)) {
          return { document: undefined, result: { kind: 'older', observedAt: before.observedAt } }
        }
        const isOnRecord = !isStill(before, signal, now())
        return { document, isOnRecord, result: { kind: 'written', signal } }
      })
    },

    async remove(name, operator) {
      const document = { id: name.id, of: name.partition, deleted: true, ttl: tombstoneLife }
      const entry = { ...entryOf(name, operator), action: 'remove' as const }
      return change<boolean>({ name, entry }, found =>
        found?.signal ? { document, isOnRecord: true, result: true } : { document: undefined, result: false },
      )
    },
  }
}

interface Change {
  readonly name: DocumentName
  readonly entry: Pick<AdminEntry, 'operator' | 'document' | 'action' | 'contentHash'>
}

interface Next<T> {
  readonly document: Document | undefined
  readonly isOnRecord?: boolean
  readonly result: T
}

/** Whether the same is observed again, before what was known of it expired. */
function isStill(before: SignalDocument | undefined, { value, uid }: SignalDocument, now: number): boolean {
  if (!before || Date.parse(before.expiresAt) <= now) return false
  return canonicalize([before.value, before.uid ?? null]) === canonicalize([value, uid ?? null])
}

function entryOf(name: DocumentName, operator: Workload): Pick<AdminEntry, 'operator' | 'document'> {
  return { operator, document: { container: 'posture', ...name } }
}

/** As every record has it: of what was saved, without what says when Cosmos DB may remove it. */
function hashOf(signal: SignalDocument): string {
  return createHash('sha256')
    .update(canonicalize(signal) ?? '')
    .digest('hex')
}

function ignore(): void {}
