import type { WorkloadIssuer } from '../workload/workload.ts'
import type { Warning, WarningKind } from './lint.ts'
import type { Rule } from './rule.ts'
import { mayBeOfIssuer, namesIssuer } from './selector-relations.ts'

/** What is probably not meant by a change of an issuer, told of another one that it acts for. */
export interface IssuerWarning {
  readonly issuer: string
  readonly kind: WarningKind
  readonly text: string
}

/** An issuer before and after a change, as far as its tokens count; undefined where they do not. */
export interface CountingChange {
  readonly id: string
  readonly before: WorkloadIssuer | undefined
  readonly after: WorkloadIssuer | undefined
}

/** Warnings about rules that would be about other workloads than before, or about none. Pure. */
export function lintIssuer(rules: readonly Rule[], { id, before, after }: CountingChange): readonly Warning[] {
  return rules.flatMap(rule => {
    const named = rule.workloads.some(({ issuer, actor }) => issuer === id || actor?.issuer === id)
    if (!after) {
      const text = `it names issuer "${id}", whose tokens would not count`
      return named ? [warning(rule, 'names-nothing', text)] : []
    }
    const [was, is] = [isAbout(rule, before), isAbout(rule, after)]
    if (was === is) return []
    return [warning(rule, 'selection', `it would ${is ? 'be' : 'no longer be'} about issuer "${id}"`)]
  })
}

function isAbout({ workloads }: Rule, issuer: WorkloadIssuer | undefined): boolean {
  return (
    issuer !== undefined &&
    workloads.some(selector => mayBeOfIssuer(selector, issuer) || namesIssuer(selector.actor, issuer))
  )
}

/** Warnings about the rules of a target that would be gone (no scopes), or would have other scopes. Pure. */
export function lintTarget(rules: readonly Rule[], scopes: readonly string[] | undefined): readonly Warning[] {
  if (!scopes) return rules.map(rule => warning(rule, 'names-nothing', 'its target would be gone'))
  return rules.flatMap(rule => {
    const lost = (rule.scopes ?? []).filter(scope => !scopes.includes(scope))
    return lost.map(scope => warning(rule, 'names-nothing', `its target would have no scope "${scope}"`))
  })
}

/** Warnings about issuers whose tokens count only together with one of an issuer that would be gone. Pure. */
export function lintActing(id: string, issuers: readonly string[]): readonly IssuerWarning[] {
  const text = `its tokens may need an actor of issuer "${id}", whose tokens would not count`
  return issuers.map(issuer => ({ issuer, kind: 'names-nothing', text }))
}

function warning({ target, id }: Rule, kind: WarningKind, text: string): Warning {
  return { target, rule: id, kind, text }
}
