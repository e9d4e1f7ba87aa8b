import { alwaysFresh, readOnce } from './cosmos-read-once.ts'
import type { DecisionLog } from './decisions/record.ts'
import type { EditedContainer } from './document-kind.ts'
import { withoutSecrets } from './gateway-manage-editors.ts'
import type { RoleParts, Surroundings } from './gateway-role.ts'
import type { GuardedEditor } from './guarded-editor.ts'
import { onRecord } from './record-check.ts'
import { cosmosCalendars } from './rules/cosmos-calendars.ts'
import { cosmosPosture } from './rules/cosmos-posture.ts'
import { sampleExchanges } from './rules/cosmos-recorded-exchanges.ts'
import { cosmosRules, storedRules } from './rules/cosmos-rules.ts'
import { lockdownsSince } from './rules/cosmos-standing-lockdowns.ts'
import { type Evaluate, evaluator } from './rules/evaluate.ts'
import { targetOfToken } from './rules/evaluate-question.ts'
import { type FindAccess, findAccess } from './rules/find-access.ts'
import { postureAskedFor } from './rules/ruleset.ts'
import { openWhatIf, type WhatIf } from './rules/what-if.ts'
import { evaluatedTarget, urisIn } from './targets/evaluated-target.ts'
import { clientSeenBy } from './workload/client-address.ts'
import { openCountries } from './workload/client-country.ts'
import { issuersActedForBy } from './workload/cosmos-acting-issuers.ts'
import { cosmosIssuers } from './workload/cosmos-issuers.ts'
import { cosmosLockdowns } from './workload/cosmos-lockdowns.ts'
import { issuerFacts, seenIssuer } from './workload/issuer-facts.ts'
import { verifyPasted } from './workload/verify-pasted.ts'
import type { Workload } from './workload/workload.ts'

/** What operators ask, and what would come of what they are about to do. */
export interface Desk {
  readonly whatIf: WhatIf
  /** On record where a token is pasted. */
  readonly evaluate: (body: unknown, operator: Workload) => ReturnType<Evaluate>
  readonly access: FindAccess
}

/** The documents that operators change, by container. */
export type DeskDocuments = Readonly<Record<EditedContainer, GuardedEditor>>

/** What-if: everything is read when it is asked for, by the code of the exchange, and nothing of it is kept. */
export function openDesk(
  { container, decisions }: RoleParts,
  documents: DeskDocuments,
  surroundings: Surroundings,
): Desk {
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
      stored: ({ container: kind, name }) => documents[kind].read(name),
      actedForBy: issuersActedForBy(container('issuers')),
      sight: {
        issuer: seenIssuer,
        target: content => {
          const seen = evaluatedTarget(content, withoutSecrets(now))
          return seen && 'facts' in seen ? seen : undefined
        },
      },
      namesOf: async id => [id, ...urisIn((await targets.read(ownName(id)))?.content)],
      sample: query => sampleExchanges(container('decisions'), query, now),
      now,
    }),
    evaluate: evaluationOnRecord(
      decisions,
      evaluator({
        rulesetOf: target => openRules().of(target),
        targetOf: async id => evaluatedTarget((await targets.read(ownName(id)))?.content, withoutSecrets(now)),
        issuerOf,
        callersOf: (token, actorToken) => verifyPasted({ token, actorToken }, { issuers: registered(), keys, now }),
        postureOf: (ruleset, callers) =>
          cosmosPosture(container('posture'), () => alwaysFresh).of(
            postureAskedFor(ruleset, callers),
            callers.workload,
          ),
        lockdownOf: (subject, time) => cosmosLockdowns(readOnce(container('lockdowns'))).find(subject, time),
        clientAt: peer => clientSeenBy({ peer, forwarded: undefined }, undefined, { forwarders: [], countryOf }),
        now,
      }),
    ),
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

/** Whoever pastes a token uses somebody else's: that is on record, as a check of its target. */
function evaluationOnRecord(decisions: DecisionLog, evaluate: Evaluate): Desk['evaluate'] {
  return (body, operator) => {
    const target = targetOfToken(body)
    if (target === undefined) return evaluate(body)
    const document = { container: 'targets', id: target, partition: target } as const
    return onRecord({ decisions, operator, document }, () => evaluate(body))
  }
}
