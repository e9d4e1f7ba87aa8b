import type { HttpResponseInit } from '@azure/functions'
import { z } from 'zod'
import { documentId } from '../../shared/document.ts'
import type { DocumentName } from '../../shared/document-kind.ts'
import type { ManageGateway } from '../../shared/gateway.ts'
import { groupsOf } from '../../shared/groups.ts'
import type { Revoker } from '../../shared/leases/mark-leases.ts'
import type { Workload } from '../../shared/workload/workload.ts'
import { jsonAnswer } from '../answer.ts'
import { inForceWithin } from './in-force.ts'
import { type Asked, managedRoutes } from './managed-route.ts'
import { asOperator } from './operator.ts'
import { problem } from './problem.ts'
import { methodNotAllowed, noQuery } from './search-query.ts'

/** What became of the leases that rest on a rule. `more`: some are left or may be made yet, and asking again ends them. */
export interface EndedRuleLeases {
  readonly marked: number
  readonly more: boolean
  readonly again: string
  /** Seconds. By then no instance gives anything by the rule. */
  readonly againAfter: number
}

const ending = { roles: ['Rules.Write', 'Leases.Revoke'], query: noQuery } as const

/** Milliseconds after which no further lease is taken in hand. */
const markingTime = 20_000
const markedTogether = 10

/** Milliseconds after the intent to remove a rule at which it is in force for certain: the write has its time too. */
const removalTime = 30_000

/**
 * Marks the live leases that rest on a rule as due; the timer ends them. An instance that has not seen the removal may
 * still make some: so there is always more to ask for. Never throws: the rule is gone by now.
 */
export async function endLeasesOf(
  { leases }: Pick<ManageGateway, 'leases'>,
  { id, partition }: DocumentName,
  operator: Workload,
): Promise<EndedRuleLeases> {
  const hint = { again: `POST /manage/rules/${partition}/${id}/revoke-leases`, againAfter: inForceWithin }
  const filter = { target: partition, rule: id }
  const revoker: Revoker = { operator, namespaces: 'all' }
  try {
    const found = await leases.matching(filter, 'all')
    if (found.leases.length === 0) return { marked: 0, more: true, ...hint }
    if (found.more) return { ...(await markSome(leases, found.leases, revoker)), more: true, ...hint }
    const ended = await leases.revokeMatching(filter, { expected: found.leases.length, revoker })
    return { marked: ended.kind === 'marked' ? ended.marked : 0, more: true, ...hint }
  } catch {
    // What could not be marked is on record as failed.
    return { marked: 0, more: true, ...hint }
  }
}

async function markSome(
  leases: ManageGateway['leases'],
  found: readonly { readonly id: string }[],
  revoker: Revoker,
): Promise<{ readonly marked: number }> {
  const deadline = performance.now() + markingTime
  let marked = 0
  for (const some of groupsOf(found, markedTogether)) {
    if (performance.now() >= deadline) break
    const ended = await Promise.allSettled(some.map(({ id }) => leases.revoke(id, revoker)))
    marked += ended.filter(one => one.status === 'fulfilled' && one.value?.marked).length
  }
  return { marked }
}

/**
 * `/manage/rules/{target}/{id}/revoke-leases`: ends what a removed rule left behind, in as many requests as it takes. An
 * instance may release a lease by the rule for as long as a change takes to be in force.
 */
export function registerRuleLeases(manage: ManageGateway): void {
  managedRoutes(manage)('rule-revoke-leases', 'manage/rules/{target}/{id}/revoke-leases', asked => {
    if (asked.request.method !== 'POST') return methodNotAllowed('POST')
    return asOperator(asked, ending, operator => answerEnding(asked, operator))
  })
}

async function answerEnding({ request, manage }: Asked, operator: Workload): Promise<HttpResponseInit> {
  const named = z.object({ target: documentId, id: documentId }).safeParse(request.params)
  if (!named.success) return problem(404, { detail: 'there was no such rule' })
  const name = { id: named.data.id, partition: named.data.target }
  if (await manage.documents.rules.read(name)) {
    return problem(409, { detail: 'the rule stands: what it gives would be given again. Remove it first' })
  }
  const isOver = await isLongGone(manage, name)
  const ended = await endLeasesOf(manage, name, operator)
  const found = await manage.leases.matching({ target: name.partition, rule: name.id }, 'all')
  return jsonAnswer(200, { leases: { ...ended, more: !isOver || found.leases.length > 0 } })
}

/** Whether the rule was removed that long ago that no instance gives anything by it. */
async function isLongGone({ documents }: ManageGateway, name: DocumentName): Promise<boolean> {
  const page = await documents.rules.versions(name, undefined)
  const newest = page?.versions.find(({ state }) => state !== 'refused')
  return newest?.removed === true && Date.parse(newest.at) + removalTime <= Date.now()
}
