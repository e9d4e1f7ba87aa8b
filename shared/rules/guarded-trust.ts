import type { IssuerChange } from '../workload/issuer-change.ts'
import type { WorkloadIssuer } from '../workload/workload.ts'
import type { Rule } from './rule.ts'
import type { WorkloadSelector } from './selector.ts'
import { fitsEveryToken, mayBeOfIssuer, namesIssuer, singlesOutNoIssuer } from './selector-relations.ts'

/**
 * Whether what wants a second person rests on documents that are not themselves rules: whoever could change those alone
 * would not need to change a rule. Throws 503 where that cannot be looked up.
 */
export interface GuardedTrust {
  /** Whether it rests on an issuer, by any of the versions. */
  onIssuer(change: IssuerChange): Promise<boolean>
  onCalendar(id: string): Promise<boolean>
}

/** The rules that want a second person: undefined where they are too many to tell, or one cannot be read. */
export type ReadGuardedRules = () => Promise<readonly Rule[] | undefined>

/**
 * Tells it by the rules of targets and the guardrails that want a second person, and by the issuers whose actors say
 * which address a client has. What cannot be told is so.
 */
export function guardedTrust(
  read: ReadGuardedRules,
  isOfForwarders: (issuer: string) => Promise<boolean>,
): GuardedTrust {
  const enforced = async () => (await read())?.filter(({ state }) => state === 'enforced')
  return {
    async onIssuer({ id, versions, vouchesAnew }) {
      const rules = await enforced()
      if (!rules) return true
      const isOnIt = (rule: Rule) =>
        (vouchesAnew && tellsIssuersApart(rule)) || versions.some(issuer => !issuer || restsOnIssuer(rule, issuer))
      return rules.some(isOnIt) || (rules.some(restsOnClient) && isOfForwarders(id))
    },
    async onCalendar(id) {
      const rules = await enforced()
      return rules?.some(({ conditions }) => conditions.time?.calendars.includes(id)) ?? true
    },
  }
}

/**
 * Of a target's rules those that open: a deny takes nothing away from whom no allow is about. Guardrails only close, so
 * of those it counts whether another issuer, or other labels, would be out of their reach.
 */
function restsOnIssuer(rule: Rule, issuer: WorkloadIssuer): boolean {
  const { target, effect, workloads } = rule
  if (target === '*') return apartOf(rule).some(selector => isAbout(selector, issuer))
  return effect === 'allow' && workloads.some(selector => isAbout(selector, issuer))
}

/** The selectors by which a rule is about some issuers and not about others, perhaps by a condition on their labels or region. */
function apartOf({ workloads, conditions }: Rule): readonly WorkloadSelector[] {
  const isConditional = conditions.geography !== undefined || conditions.expression !== undefined
  return isConditional ? workloads : workloads.filter(selector => !singlesOutNoIssuer(selector))
}

/**
 * A guardrail that some issuers escape. Whose tokens an issuer vouches for is not in its document, so nobody can tell
 * whether those are a cluster's that was in its reach by another id, by other labels, or as tokens of another kind: those of
 * kind `oidc` have no namespace and no pod. All escape alike where it asks for nothing but the time and the address.
 */
function tellsIssuersApart({ target, workloads, conditions }: Rule): boolean {
  const { time: _time, network: _network, ...others } = conditions
  const isConditional = Object.values(others).some(condition => condition !== undefined)
  return target === '*' && (isConditional || !workloads.every(fitsEveryToken))
}

/** Whether another address of the client could open a target, or lead out of a guardrail. */
function restsOnClient({ target, effect, conditions }: Rule): boolean {
  const { network, geography, expression } = conditions
  return (target === '*' || effect === 'allow') && [network, geography, expression].some(one => one !== undefined)
}

/** By whom it selects, or by who must act for them. */
function isAbout(selector: WorkloadSelector, issuer: WorkloadIssuer): boolean {
  return mayBeOfIssuer(selector, issuer) || namesIssuer(selector.actor, issuer)
}
