import { type Approvals, type GuardedEditor, openApprovals } from './approvals.ts'
import { type Changes, cosmosChanges } from './cosmos-changes.ts'
import { cosmosDocumentEditor, type DocumentEditor } from './cosmos-document-editor.ts'
import { alwaysFresh, readOnce } from './cosmos-read-once.ts'
import { cosmosVersions } from './cosmos-versions.ts'
import { credentialProviders } from './credentials/registry.ts'
import type { SecretReference } from './credentials/secret-reference.ts'
import { cosmosDecisionSearch, type DecisionSearch } from './decisions/cosmos-decision-search.ts'
import { type Doctor, doctor } from './doctor.ts'
import type { DocumentKind, EditedContainer } from './document-kind.ts'
import { openRole, type RoleParts, type Surroundings } from './gateway-role.ts'
import { cosmosLeaseSearch } from './leases/cosmos-lease-search.ts'
import { cosmosLeases } from './leases/cosmos-leases.ts'
import { type OperatorLeases, operatorLeases } from './leases/operator-leases.ts'
import { revokeByOperator } from './leases/revoke-by-operator.ts'
import type { CalendarDocument } from './rules/calendar.ts'
import { calendarKind } from './rules/calendar-kind.ts'
import { cosmosCalendars } from './rules/cosmos-calendars.ts'
import { cosmosPosture } from './rules/cosmos-posture.ts'
import { cosmosPostureWriter, type PostureWriter } from './rules/cosmos-posture-writer.ts'
import { sampleExchanges } from './rules/cosmos-recorded-exchanges.ts'
import { ruleKind } from './rules/cosmos-rule-kind.ts'
import { cosmosRules, storedRules } from './rules/cosmos-rules.ts'
import { lockdownsSince } from './rules/cosmos-standing-lockdowns.ts'
import { type Evaluate, evaluator } from './rules/evaluate.ts'
import { type FindAccess, findAccess } from './rules/find-access.ts'
import { calendarFromICalendar } from './rules/icalendar.ts'
import { postureKind } from './rules/posture-kind.ts'
import { postureAskedFor } from './rules/ruleset.ts'
import { openWhatIf, type WhatIf } from './rules/what-if.ts'
import { isSameSecret } from './secrets-named.ts'
import type { Settings } from './settings.ts'
import { cosmosChecks } from './targets/cosmos-checks.ts'
import { guardedSecrets } from './targets/cosmos-guarded-secrets.ts'
import { targetKind } from './targets/cosmos-target-kind.ts'
import { evaluatedTarget, urisIn } from './targets/evaluated-target.ts'
import type { FindProvider } from './targets/target.ts'
import { checkIssuer } from './workload/check-issuer.ts'
import { clientSeenBy } from './workload/client-address.ts'
import { openCountries } from './workload/client-country.ts'
import { issuerKind } from './workload/cosmos-issuer-kind.ts'
import { cosmosIssuers } from './workload/cosmos-issuers.ts'
import { cosmosLockdowns } from './workload/cosmos-lockdowns.ts'
import { fetchJson } from './workload/https-json.ts'
import { issuerFacts } from './workload/issuer-facts.ts'
import { lockdownKind } from './workload/lockdown-kind.ts'
import { operatorIssuers } from './workload/operator-issuers.ts'
import { verifyPasted } from './workload/verify-pasted.ts'
import { tokenVerifier, type VerifyToken } from './workload/verify-token.ts'

type CalendarConversion = { readonly calendar: CalendarDocument } | { readonly problems: readonly string[] }

/** What operators use. */
export interface ManageGateway {
  readonly verifyOperator: VerifyToken
  readonly documents: Readonly<Record<EditedContainer, GuardedEditor>>
  readonly changes: Changes
  readonly approvals: Approvals
  readonly whatIf: WhatIf
  readonly evaluate: Evaluate
  readonly access: FindAccess
  readonly calendarFrom: (upload: Omit<Parameters<typeof calendarFromICalendar>[0], 'now'>) => CalendarConversion
  readonly decisions: DecisionSearch
  readonly leases: OperatorLeases
  readonly posture: PostureWriter
  readonly checks: Doctor
}

export function openManage(surroundings: Surroundings): ManageGateway {
  const { settings, keys, now } = surroundings
  const role = openRole('manage', surroundings)
  const editors = openEditors(role, surroundings)
  const changes = cosmosChanges(role.container('changes'))
  const byApplications = settings.approvalByApplications
  const approvals = openApprovals({
    changes,
    editors,
    decisions: role.decisions,
    byApplications,
    guardedSecrets: guardedSecrets(role.container('targets')),
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
    checks: openDoctor(role, documents, surroundings),
  }
}

function openOperations({ container, decisions }: RoleParts, now: () => number) {
  const search = cosmosLeaseSearch(container('leases'))
  const store = cosmosLeases(container('leases'))
  return {
    decisions: cosmosDecisionSearch({
      decisions: container('decisions'),
      streams: container('streams'),
      checkpoints: container('checkpoints'),
    }),
    leases: operatorLeases(search, revokeByOperator({ store, search, decisions, now })),
    posture: cosmosPostureWriter({ container: container('posture'), decisions, now }),
  }
}

function openDoctor(
  { container, decisions }: RoleParts,
  { targets, issuers }: ManageGateway['documents'],
  { now, monotonic }: Surroundings,
): Doctor {
  return doctor({
    targets,
    issuers,
    decisions,
    checks: cosmosChecks({ container: container('checks'), now }),
    checkIssuer: (document, token, keysSince) => checkIssuer(document, token, { fetchJson, now, monotonic, keysSince }),
  })
}

/** What-if: everything is read when it is asked for, by the code of the exchange, and nothing of it is kept. */
function openDesk({ container }: RoleParts, documents: ManageGateway['documents'], surroundings: Surroundings) {
  const { settings, keys, now } = surroundings
  const { targets, issuers } = documents
  const countryOf = settings.geoipDatabase === undefined ? () => undefined : openCountries(settings.geoipDatabase)
  const ownName = (id: string) => ({ id, partition: id })
  const calendars = () => cosmosCalendars(readOnce(container('calendars'))).current()
  const openRules = () => cosmosRules({ container: container('rules'), follow: () => alwaysFresh, calendars })
  const registered = () => cosmosIssuers(container('issuers'), readOnce(container('issuers')))
  const issuerOf = async (id: string) => issuerFacts((await issuers.read(ownName(id)))?.content)
  return {
    whatIf: openWhatIf({
      rules: partition => storedRules(container('rules'), partition),
      calendars,
      namesOf: async id => [id, ...urisIn((await targets.read(ownName(id)))?.content)],
      sample: query => sampleExchanges(container('decisions'), query, now),
      now,
    }),
    evaluate: evaluator({
      rulesetOf: target => openRules().of(target),
      targetOf: async id => evaluatedTarget((await targets.read(ownName(id)))?.content, withoutSecrets(now)),
      issuerOf,
      callersOf: (token, actorToken) => verifyPasted({ token, actorToken }, { issuers: registered(), keys, now }),
      postureOf: (ruleset, callers) =>
        cosmosPosture(container('posture'), () => alwaysFresh).of(postureAskedFor(ruleset, callers), callers.workload),
      lockdownOf: (subject, time) => cosmosLockdowns(readOnce(container('lockdowns'))).find(subject, time),
      clientAt: peer => clientSeenBy({ peer, forwarded: undefined }, undefined, { forwarders: [], countryOf }),
      now,
    }),
    access: findAccess({
      openRules,
      readTarget: id => targets.read(ownName(id)),
      listTargets: continuation => targets.list({ continuation }),
      lockdowns: time => lockdownsSince(container('lockdowns'), time),
      issuerOf,
      now,
    }),
  }
}

/** The manage role may read no secret: a provider only says what its settings are. */
function withoutSecrets(now: () => number): FindProvider {
  return credentialProviders({ readSecret: () => Promise.reject(new Error('no secrets here')), now })
}

function openEditors(
  { container, decisions }: RoleParts,
  { settings, now }: Surroundings,
): Readonly<Record<EditedContainer, DocumentEditor>> {
  const problemOfSecret = (secret: SecretReference) => secretProblem(secret, settings)
  const findProvider = withoutSecrets(now)
  const editor = (kind: DocumentKind) => {
    const { container: id } = kind
    const versions = cosmosVersions(container('versions'), id)
    return cosmosDocumentEditor({ kind, container: container(id), versions, decisions, now })
  }
  return {
    rules: editor(
      ruleKind({
        targets: container('targets'),
        calendars: container('calendars'),
        issuers: container('issuers'),
      }),
    ),
    targets: editor(targetKind({ findProvider, problemOfSecret, targets: container('targets') })),
    issuers: editor(issuerKind({ problemOfSecret, issuers: container('issuers') })),
    calendars: editor(calendarKind),
    lockdowns: editor(lockdownKind),
    posture: editor(postureKind),
  }
}

/** No document names the key from which every password is derived, by whichever alias of its vault. */
function secretProblem(secret: SecretReference, { vaults, derivationKey }: Settings): string | undefined {
  const vault = vaults.get(secret.vault)
  if (!vault) return `no vault is called "${secret.vault}"`
  const inSameVault = vault.href === vaults.get(derivationKey.vault)?.href
  const isOwnKey = inSameVault && isSameSecret(secret, { ...derivationKey, vault: secret.vault })
  return isOwnKey ? "that secret is the gateway's own" : undefined
}
