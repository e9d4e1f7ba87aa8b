import type { HttpResponseInit } from '@azure/functions'
import { z } from 'zod'
import type { Revoker } from '../../shared/leases/mark-leases.ts'
import type { RevokedLease } from '../../shared/leases/operator-leases.ts'
import { jsonAnswer } from '../answer.ts'
import { readJson } from '../read-body.ts'
import { inForceWithin } from './in-force.ts'
import { leaseHolder, leaseIn, notThere } from './lease-query.ts'
import type { Answering, Asked } from './managed-route.ts'
import { asOperatorOf, type NamespacedRole } from './operator.ts'
import { problem } from './problem.ts'
import { dryRunQuery, instant, methodNotAllowed, noQuery, parseOr400 } from './search-query.ts'

/** The body of `POST /manage/leases/revoke`: which, and how many the dry run found. */
export const revokeBody = z.strictObject({
  filter: z
    .strictObject({ ...leaseHolder, expiresBefore: instant.optional() })
    .refine(members => Object.keys(members).length > 0, 'expected one member at least: a lockdown can name everything'),
  expected: z.int().min(0).optional(),
})

const mayRevoke = ['Leases.Revoke'] as const satisfies readonly NamespacedRole[]

const bodyBytes = 16 * 1024

/** After this many seconds no instance releases a lease again: what it read of one may decide for as long. */
const refusedWithin = inForceWithin

const warning =
  'A workload whose rules still allow it may ask again, and is given another account. What prevents that is a lockdown: ' +
  'POST /manage/lockdowns, with "revokeLeases": true to end its leases as well.'

/** Ends one lease. */
export function answerRevokeOne(asked: Asked): Answering {
  const { request, manage } = asked
  if (request.method !== 'POST') return methodNotAllowed('POST')
  return asOperatorOf(asked, { roles: mayRevoke, query: noQuery }, async revoker => {
    const ended = await manage.leases.revoke(leaseIn(request), revoker)
    if (!ended) return notThere()
    return jsonAnswer(202, { ...ended, ...whatHappensNext(ended) })
  })
}

function whatHappensNext({ lease: { state } }: RevokedLease) {
  if (state === 'revoked') return { next: 'It has ended: its evidence says what was seen.' }
  const next = 'Its sessions end and its account is removed when the timer runs next: it runs each minute.'
  return { next, refusedWithin, warnings: [warning] }
}

/** Ends the leases of a filter, as many as a dry run found. */
export function answerRevokeMatching(asked: Asked): Answering {
  const { request } = asked
  if (request.method !== 'POST') return methodNotAllowed('POST')
  return asOperatorOf(asked, { roles: mayRevoke, query: dryRunQuery }, async (revoker, { dryRun }) => {
    const body = parseOr400(await readJson(request, bodyBytes), revokeBody)
    if ('refused' in body) return body.refused
    return dryRun === 'true' ? answerDryRun(asked, body.value, revoker) : revokeAll(asked, body.value, revoker)
  })
}

type RevokeBody = z.output<typeof revokeBody>

async function answerDryRun(
  { manage }: Asked,
  { filter }: RevokeBody,
  { namespaces }: Revoker,
): Promise<HttpResponseInit> {
  const { leases, more } = await manage.leases.matching(filter, namespaces)
  const warnings = more ? [warning, tooMany(leases.length)] : [warning]
  return jsonAnswer(200, { dryRun: true, found: leases.length, more, leases, warnings })
}

async function revokeAll(
  { manage }: Asked,
  { filter, expected }: RevokeBody,
  revoker: Revoker,
): Promise<HttpResponseInit> {
  if (expected === undefined) {
    return problem(428, { detail: 'expected: how many the dry run found (POST /manage/leases/revoke?dryRun=true)' })
  }
  const ended = await manage.leases.revokeMatching(filter, { expected, revoker })
  if (ended.kind === 'differs') {
    const detail = ended.more
      ? tooMany(ended.found)
      : `expected ${expected} leases, found ${ended.found}: look at them again`
    return problem(409, { detail })
  }
  const next =
    'Their sessions end and their accounts are removed from the next run of the timer on: it runs each minute.'
  const { marked, notMarked } = ended
  return jsonAnswer(202, { marked, notMarked, next, refusedWithin, warnings: [warning] })
}

function tooMany(most: number): string {
  return `there are more than ${most}: narrow the filter, or end them by a lockdown with "revokeLeases": true`
}
