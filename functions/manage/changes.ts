import type { HttpRequest, HttpResponseInit } from '@azure/functions'
import { z } from 'zod'
import { proposalOf } from '../../shared/approvals.ts'
import type { ManageGateway } from '../../shared/gateway.ts'
import { isSamePerson, type PendingChange, proposerOf, standingOf, standings } from '../../shared/pending-change.ts'
import type { Workload } from '../../shared/workload/workload.ts'
import { jsonAnswer } from '../answer.ts'
import { answerChange } from './document-answers.ts'
import { inForceWithin } from './in-force.ts'
import { type Answering, type Asked, managedRoutes } from './managed-route.ts'
import { asOperator, readers, writerOf } from './operator.ts'
import { problem } from './problem.ts'
import { endLeasesOf } from './rule-leases.ts'
import { continuation, methodNotAllowed, noQuery, notAContinuation } from './search-query.ts'
import { documentDraft, foresee } from './what-if.ts'

/** The query of `GET /manage/changes`. */
export const changeQuery = z.strictObject({
  state: z.enum(standings).default('proposed'),
  continuation: continuation.optional(),
})

/** `/manage/changes`: what waits for a second person. */
export function registerChanges(manage: ManageGateway): void {
  const register = managedRoutes(manage)
  register('changes', 'manage/changes', answerList)
  register('change', 'manage/changes/{change}', answerOne)
  register('change-approve', 'manage/changes/{change}/approve', answerApprove)
  register('change-withdraw', 'manage/changes/{change}/withdraw', answerWithdraw)
}

function answerList(asked: Asked): Answering {
  const { request, manage } = asked
  if (request.method !== 'GET') return methodNotAllowed('GET')
  return asOperator(asked, { roles: readers, query: changeQuery }, async (_, { state, continuation }) => {
    const page = await manage.changes.list({ state, time: Date.now(), continuation })
    if (!page) return notAContinuation()
    const next = page.continuation === undefined ? {} : { continuation: page.continuation }
    const unreadable = page.unreadable.length > 0 ? { unreadable: page.unreadable } : {}
    return jsonAnswer(200, { changes: page.changes.map(shown), ...unreadable, ...next })
  })
}

function answerOne(asked: Asked): Answering {
  const { request, manage } = asked
  if (request.method !== 'GET') return methodNotAllowed('GET')
  return asOperator(asked, { roles: readers, query: noQuery }, async operator => {
    const id = changeIn(request)
    const found = id && (await manage.changes.read(id))
    return found ? answerShown(asked, found.change, operator) : notThere()
  })
}

/** With what would be different by now, and whether it could still be made; while it waits, with what it would come to. */
async function answerShown({ manage }: Asked, change: PendingChange, operator: Workload): Promise<HttpResponseInit> {
  const editor = manage.documents[change.container]
  const { expected: _, ...draft } = proposalOf(change)
  const [exactly, now] = await Promise.all([editor.rehearse(proposalOf(change)), editor.rehearse(draft)])
  const isOutdated = exactly.kind !== 'acceptable'
  if (now.kind !== 'acceptable') return jsonAnswer(200, { change: shown(change), isOutdated })
  const isWaiting = standingOf(change, Date.now()) === 'proposed'
  const foreseen = isWaiting ? await foresee(manage, documentDraft(change.container, draft), operator) : {}
  return jsonAnswer(200, { change: shown(change), diff: now.diff, ...foreseen, isOutdated })
}

function answerApprove(asked: Asked): Answering {
  const { request, manage } = asked
  if (request.method !== 'POST') return methodNotAllowed('POST')
  return asOperator(asked, { roles: ['Rules.Approve'], query: noQuery }, async operator => {
    const id = changeIn(request)
    if (!id) return notThere()
    const approval = await manage.approvals.approve(id, operator)
    switch (approval.kind) {
      case 'saved': {
        const { change, changed } = approval
        const leases = await endedLeases(manage, change, operator)
        const after = change.action === 'put' ? { etag: changed.document.version } : { removed: true }
        return jsonAnswer(200, { change: id, state: 'approved', ...after, inForceWithin, ...leases })
      }
      case 'unknown':
        return notThere()
      case 'lapsed':
        return problem(410, { detail: 'the change lapsed: propose it again' })
      case 'not-a-person':
        return problem(403, { detail: 'expected a person: an application approves nothing here' })
      case 'same-person':
        return problem(403, { detail: 'expected another person than the one who proposed the change' })
      case 'settled':
        return settled(approval.state)
      case 'conflict':
      case 'invalid':
        return answerChange(200, approval, { singular: 'document' })
    }
  })
}

async function endedLeases(manage: ManageGateway, { leases, name }: PendingChange, operator: Workload) {
  return leases === 'revoke' ? { leases: await endLeasesOf(manage, name, operator) } : {}
}

function answerWithdraw(asked: Asked): Answering {
  const { request, manage } = asked
  if (request.method !== 'POST') return methodNotAllowed('POST')
  return asOperator(asked, { roles: readers, query: noQuery }, async operator => {
    const id = changeIn(request)
    const found = id && (await manage.changes.read(id))
    if (!found) return notThere()
    const { change } = found
    if (!mayWithdraw(change, operator)) return problem(403, { detail: refusedTo(change) })
    const withdrawal = await manage.approvals.withdraw(change.id, operator)
    if (withdrawal.kind === 'unknown') return notThere()
    if (withdrawal.kind === 'settled') return settled(withdrawal.state)
    return jsonAnswer(200, { change: change.id, state: 'withdrawn' })
  })
}

/** Who proposed it, who may approve it, and who may propose the like. */
function mayWithdraw({ proposedBy, container }: PendingChange, operator: Workload): boolean {
  const roles = operator.entra?.roles ?? []
  return (
    isSamePerson(proposedBy, proposerOf(operator)) ||
    [writerOf[container], 'Rules.Approve'].some(role => roles.includes(role))
  )
}

function refusedTo({ container }: PendingChange): string {
  return `expected who proposed it, or the app role ${writerOf[container]} or Rules.Approve`
}

/** Lapsed changes are kept as they were: only the time says so. */
function shown(whole: PendingChange) {
  const { ttl: _ttl, schema: _schema, ...change } = whole
  return { ...change, state: standingOf(whole, Date.now()) }
}

function settled(state: string): HttpResponseInit {
  return problem(409, { detail: `the change is ${state} already` })
}

function changeIn(request: HttpRequest): string | undefined {
  return z.guid().safeParse(request.params['change']).data
}

function notThere(): HttpResponseInit {
  return problem(404, { detail: 'there is no such change' })
}
