import type { WorkloadIssuer } from '../workload/workload.ts'
import type { Rule } from './rule.ts'
import type { WorkloadSelector } from './selector.ts'
import { mayBeOfIssuer, namesIssuer } from './selector-relations.ts'

/**
 * Whether what wants a second person rests on documents that are not themselves rules: whoever could change those alone
 * would not need to change a rule. Throws 503 where that cannot be looked up.
 */
export interface GuardedTrust {
  /** Whether it rests on an issuer, by any of its versions: undefined for one that cannot be read. */
  onIssuer(versions: readonly (WorkloadIssuer | undefined)[]): Promise<boolean>
  onCalendar(id: string): Promise<boolean>
}

/** The rules that want a second person: undefined where they are too many to tell, or one cannot be read. */
export type ReadGuardedRules = () => Promise<readonly Rule[] | undefined>

/** Tells it by the rules of targets and the guardrails that want a second person. What cannot be told is so. */
export function guardedTrust(read: ReadGuardedRules): GuardedTrust {
  const some = async (isOn: (rule: Rule) => boolean) => {
    const rules = await read()
    return rules?.some(rule => rule.state === 'enforced' && isOn(rule)) ?? true
  }
  return {
    onIssuer: versions => some(rule => versions.some(issuer => !issuer || restsOnIssuer(rule, issuer))),
    onCalendar: id => some(({ conditions }) => conditions.time?.calendars.includes(id) ?? false),
  }
}

/**
 * Of a target's rules those that open: a deny takes nothing away from whom no allow is about. Guardrails only close, so
 * of those it counts whether another issuer, or other labels, would be out of their reach.
 */
function restsOnIssuer({ target, effect, workloads }: Rule, issuer: WorkloadIssuer): boolean {
  if (target === '*') return workloads.some(selector => !isOfEveryIssuer(selector) && isAbout(selector, issuer))
  return effect === 'allow' && workloads.some(selector => isAbout(selector, issuer))
}

/** By whom it selects, or by who must act for them. */
function isAbout(selector: WorkloadSelector, issuer: WorkloadIssuer): boolean {
  return mayBeOfIssuer(selector, issuer) || namesIssuer(selector.actor, issuer)
}

function isOfEveryIssuer({ issuer, kind, region, actor }: WorkloadSelector): boolean {
  return issuer === '*' && kind === undefined && region === undefined && actor === undefined
}
