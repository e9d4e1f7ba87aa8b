import { type Approvals, openApprovals } from './approvals.ts'
import { type Changes, cosmosChanges } from './cosmos-changes.ts'
import { cosmosDecisionSearch, type DecisionSearch } from './decisions/cosmos-decision-search.ts'
import { type Doctor, doctor } from './doctor.ts'
import { type Desk, type DeskDocuments, openDesk } from './gateway-manage-desk.ts'
import { openEditors } from './gateway-manage-editors.ts'
import { openRole, type RoleParts, type Surroundings } from './gateway-role.ts'
import { attestLease } from './leases/attest-lease.ts'
import { cosmosLeaseSearch } from './leases/cosmos-lease-search.ts'
import { cosmosLeases } from './leases/cosmos-leases.ts'
import { type LockedLeases, lockedLeaseCounter } from './leases/cosmos-locked-leases.ts'
import { type OperatorLeases, operatorLeases } from './leases/operator-leases.ts'
import { revokeByOperator } from './leases/revoke-by-operator.ts'
import type { CalendarDocument } from './rules/calendar.ts'
import { guardedRules } from './rules/cosmos-guarded-rules.ts'
import { cosmosPostureStore } from './rules/cosmos-posture-store.ts'
import { guardedTrust } from './rules/guarded-trust.ts'
import { calendarFromICalendar } from './rules/icalendar.ts'
import { type PostureWriter, postureWriter } from './rules/posture-writer.ts'
import { secretComparison } from './secrets-named.ts'
import { cosmosChecks } from './targets/cosmos-checks.ts'
import { guardedSecrets } from './targets/cosmos-guarded-secrets.ts'
import { checkIssuer, type IssuerCheckOptions } from './workload/check-issuer.ts'
import { documentsActedForBy } from './workload/cosmos-acting-issuers.ts'
import { forwardingOf } from './workload/cosmos-forwarding.ts'
import { fetchJson } from './workload/https-json.ts'
import { issuerChange } from './workload/issuer-change.ts'
import { lockdownDocument } from './workload/lockdown.ts'
import { operatorIssuers } from './workload/operator-issuers.ts'
import { tokenVerifier, type VerifyToken } from './workload/verify-token.ts'

type CalendarConversion = { readonly calendar: CalendarDocument } | { readonly problems: readonly string[] }

/** What operators use. */
export interface ManageGateway extends Desk {
  readonly verifyOperator: VerifyToken
  readonly documents: DeskDocuments
  readonly changes: Changes
  readonly approvals: Approvals
  readonly calendarFrom: (upload: Omit<Parameters<typeof calendarFromICalendar>[0], 'now'>) => CalendarConversion
  readonly decisions: DecisionSearch
  readonly leases: OperatorLeases
  /** The live leases that a lockdown names; undefined where the document is none. */
  readonly lockedLeases: (lockdown: unknown) => Promise<LockedLeases | undefined>
  readonly posture: PostureWriter
  readonly checks: Doctor
}

export function openManage(surroundings: Surroundings): ManageGateway {
  const { settings, keys, now } = surroundings
  const role = openRole('manage', surroundings)
  const editors = openEditors(role, surroundings)
  const changes = cosmosChanges(role.container('changes'))
  const byApplications = settings.approvalByApplications
  const [targets, rules] = [role.container('targets'), role.container('rules')]
  const forwarding = forwardingOf({ forwarders: settings.forwarders, decisions: role.container('decisions'), now })
  const isOfForwarders = async (issuer: string) => (await forwarding(issuer)).kind !== 'unseen'
  const guarded = guardedTrust(guardedRules({ targets, rules }), isOfForwarders)
  const approvals = openApprovals({
    changes,
    editors,
    decisions: role.decisions,
    byApplications,
    guardedSecrets: guardedSecrets(targets),
    isSameSecret: secretComparison(settings.vaults),
    restsOnIssuer: edit => guarded.onIssuer(issuerChange(edit)),
    actedForBy: documentsActedForBy(role.container('issuers')),
    restsOnCalendar: guarded.onCalendar,
    now,
  })
  const documents = {
    rules: approvals.guard('rules'),
    targets: approvals.guard('targets'),
    issuers: approvals.guard('issuers'),
    calendars: approvals.guard('calendars'),
    lockdowns: approvals.guard('lockdowns'),
    posture: approvals.guard('posture'),
  }
  return {
    changes,
    approvals,
    calendarFrom: upload => calendarFromICalendar({ ...upload, now: now() }),
    ...openDesk(role, documents, surroundings),
    verifyOperator: tokenVerifier({ issuers: operatorIssuers(settings.operators), keys, review: async () => {}, now }),
    documents,
    ...openOperations(role, now),
    checks: openDoctor(role, documents, surroundings, forwarding),
  }
}

function openOperations({ container, decisions }: RoleParts, now: () => number) {
  const search = cosmosLeaseSearch(container('leases'))
  const store = cosmosLeases(container('leases'))
  const countLocked = lockedLeaseCounter(container('leases'))
  return {
    lockedLeases: async (document: unknown) => {
      const { data: lockdown } = lockdownDocument.safeParse(document)
      return lockdown && countLocked(lockdown)
    },
    decisions: cosmosDecisionSearch({
      decisions: container('decisions'),
      streams: container('streams'),
      checkpoints: container('checkpoints'),
    }),
    leases: operatorLeases(
      search,
      revokeByOperator({ store, search, decisions, now }),
      attestLease({ store, decisions, now }),
    ),
    posture: postureWriter({ store: cosmosPostureStore(container('posture')), decisions, now }),
  }
}

function openDoctor(
  { container, decisions }: RoleParts,
  { targets, issuers }: ManageGateway['documents'],
  { now, monotonic }: Surroundings,
  forwarding: IssuerCheckOptions['forwardingOf'],
): Doctor {
  return doctor({
    targets,
    issuers,
    decisions,
    checks: cosmosChecks({ container: container('checks'), now }),
    checkIssuer: (document, token, keysSince) =>
      checkIssuer(document, token, { fetchJson, now, monotonic, keysSince, forwardingOf: forwarding }),
  })
}
