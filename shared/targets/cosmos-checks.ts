import type { Container } from '@azure/cosmos'
import { v7 as uuid } from 'uuid'
import { z } from 'zod'
import { askCosmos, cosmosStatus } from '../cosmos-error.ts'
import type { CheckStep } from '../credentials/credential-provider.ts'
import { tombstone, withoutSystemProperties } from '../document.ts'

const step = z.object({
  step: z.string(),
  ok: z.boolean().nullable(),
  expected: z.string(),
  found: z.string(),
  reason: z.string().optional(),
})

const storedCheck = z.object({
  schema: z.literal(1),
  id: z.string(),
  target: z.string(),
  state: z.enum(['pending', 'running', 'done']),
  askedAt: z.iso.datetime(),
  takenAt: z.iso.datetime().optional(),
  finishedAt: z.iso.datetime().optional(),
  /** Whether no step failed: what cannot be told is no failure. */
  ok: z.boolean().optional(),
  steps: z.array(step).optional(),
})
/** A check of a target: asked for by one role, answered by another, forgotten after a day. */
export type Check = z.output<typeof storedCheck>

/** The side that asks. Throws 503 `documents_unavailable`. */
export interface Checks {
  /** The check that is waiting for this target already, or a new one. */
  ask(target: string): Promise<Check>
  read(id: string): Promise<Check | undefined>
}

/** The side that answers. Throws 503 `documents_unavailable`. */
export interface WaitingChecks {
  /** Takes some that wait, or whose taker did not come back: nobody else has them. */
  take(): Promise<readonly TakenCheck[]>
}

export interface TakenCheck {
  readonly target: string
  finish(steps: readonly CheckStep[]): Promise<void>
}

type Document = Readonly<Record<string, unknown>>

/** Taken in one run, which checks them side by side. */
const atOnce = 5
/** One that was taken so long ago is waiting again: its taker is gone. Milliseconds, beyond what a run may take. */
const lapse = 60_000

interface Options {
  readonly container: Container
  /** Wall clock, epoch milliseconds. */
  readonly now: () => number
}

/** Checks as `manage` sees them: it may create and read. */
export function cosmosChecks({ container, now }: Options): Checks {
  return {
    async ask(target) {
      const query = "SELECT TOP 1 * FROM c WHERE c.target = @target AND c.state = 'pending'"
      const found = container.items.query<Document>({ query, parameters: [{ name: '@target', value: target }] })
      const [waiting] = (await askCosmos('documents_unavailable', () => found.fetchAll())).resources
      if (waiting) return parse(waiting)
      const check: Check = { schema: 1, id: uuid(), target, state: 'pending', askedAt: new Date(now()).toISOString() }
      await askCosmos('documents_unavailable', () => container.items.create(check))
      return check
    },

    async read(id) {
      const { resource } = await askCosmos('documents_unavailable', () => container.item(id, id).read<Document>())
      return resource && parse(resource)
    },
  }
}

/** Checks as `timers` sees them: it may read and replace. */
export function cosmosWaitingChecks({ container, now }: Options): WaitingChecks {
  const instant = () => new Date(now()).toISOString()

  /** Undefined where somebody else was faster. */
  async function replace(check: Check, etag: string): Promise<string | undefined> {
    const options = { accessCondition: { type: 'IfMatch', condition: etag } }
    const replacing = () => container.item(check.id, check.id).replace(check, options).catch(unlessTaken)
    return (await askCosmos('documents_unavailable', replacing))?.etag
  }

  async function take(document: Document): Promise<readonly TakenCheck[]> {
    const check: Check = { ...parse(document), state: 'running', takenAt: instant() }
    const etag = await replace(check, String(document['_etag']))
    if (etag === undefined) return []
    const finish = async (steps: readonly CheckStep[]) => {
      const ok = steps.every(each => each.ok !== false)
      await replace({ ...check, state: 'done', finishedAt: instant(), ok, steps: [...steps] }, etag)
    }
    return [{ target: check.target, finish }]
  }

  return {
    async take() {
      const query = {
        query: `SELECT TOP ${atOnce} * FROM c
                 WHERE c.state = 'pending' OR (c.state = 'running' AND c.takenAt < @lapsed)`,
        parameters: [{ name: '@lapsed', value: new Date(now() - lapse).toISOString() }],
      }
      const found = container.items.query<Document>(query)
      const { resources } = await askCosmos('documents_unavailable', () => found.fetchAll())
      return (await Promise.all(resources.map(take))).flat()
    },
  }
}

/** A target's document as it is stored; undefined where there is none. Throws 503 `documents_unavailable`. */
export async function readTarget(targets: Container, id: string): Promise<unknown> {
  const { resource } = await askCosmos('documents_unavailable', () => targets.item(id, id).read<Document>())
  if (!resource || tombstone.safeParse(resource).success) return undefined
  return withoutSystemProperties(resource)
}

function parse(document: Document): Check {
  return storedCheck.parse(withoutSystemProperties(document))
}

function unlessTaken(error: unknown): undefined {
  const status = cosmosStatus(error)
  // 404: it was forgotten meanwhile.
  if (status !== 412 && status !== 404) throw error
}
