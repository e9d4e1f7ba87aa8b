import type { WorkloadIssuer } from '../workload/workload.ts'
import { patternsOf, type TextMember, type TextPattern, type WorkloadSelector } from './selector.ts'

/** Whether every workload that the second selector fits is one that the first fits too, as their texts tell. */
export function covers(wide: WorkloadSelector, narrow: WorkloadSelector): boolean {
  const named = byMember(narrow)
  const labels = labelsOf(narrow)
  const labelled = [...labelsOf(wide)].every(([name, value]) => labels.get(name) === value)
  return (
    labelled && patternsOf(wide).every(pattern => asksNothing(pattern) || isWithin(named.get(pattern.member), pattern))
  )
}

/** Whether there may be a workload that both fit, as their texts tell. */
export function mayOverlap(one: WorkloadSelector, other: WorkloadSelector): boolean {
  const named = byMember(other)
  const labels = labelsOf(other)
  const apart = [...labelsOf(one)].some(([name, value]) => (labels.get(name) ?? value) !== value)
  return !apart && patternsOf(one).every(pattern => meets(pattern, named.get(pattern.member)))
}

/** Whether a selector may be about workloads of an issuer, as far as what it says of issuers tells. */
export function mayBeOfIssuer(selector: WorkloadSelector, issuer: WorkloadIssuer): boolean {
  if (![...labelsOf(selector)].every(([name, value]) => issuer.labels[name] === value)) return false
  const { id, kind, region } = issuer
  const known = new Map<string, string | undefined>(Object.entries({ issuer: id, kind, region }))
  return patternsOf(selector).every(pattern => !known.has(pattern.member) || fits(pattern, known.get(pattern.member)))
}

/** Whether every token fits a selector, whatever an issuer's document makes of it. */
export function fitsEveryToken(selector: WorkloadSelector): boolean {
  return typeof selector.issuer === 'string' && patternsOf(selector).every(asksNothing)
}

/** Whether it is about workloads of every issuer alike, though perhaps not about all of them. */
export function singlesOutNoIssuer({ issuer, kind, region, actor }: WorkloadSelector): boolean {
  return issuer === '*' && kind === undefined && region === undefined && actor === undefined
}

/** Whether every workload fits: each has an issuer; of another member, `*` asks that it is there. */
function asksNothing({ member, text, exact }: TextPattern): boolean {
  return member === 'issuer' && text === '' && !exact
}

/** Whether what a selector says of who acts for a workload names an issuer. */
export function namesIssuer(actor: WorkloadSelector['actor'], { id }: WorkloadIssuer): boolean {
  return patternsOf({ issuer: '*', actor }).some(pattern => pattern.member === 'actor issuer' && fits(pattern, id))
}

function fits({ text, exact }: TextPattern, found: string | undefined): boolean {
  return found !== undefined && (exact ? found === text : found.startsWith(text))
}

function byMember(selector: WorkloadSelector): ReadonlyMap<TextMember, TextPattern> {
  return new Map(patternsOf(selector).map(pattern => [pattern.member, pattern]))
}

function labelsOf({ issuer }: WorkloadSelector): ReadonlyMap<string, string> {
  return new Map(typeof issuer === 'string' ? [] : Object.entries(issuer.labels))
}

function isWithin(inner: TextPattern | undefined, outer: TextPattern): boolean {
  if (!inner) return false
  return outer.exact ? inner.exact && inner.text === outer.text : inner.text.startsWith(outer.text)
}

function meets(one: TextPattern, other: TextPattern | undefined): boolean {
  return !other || isWithin(one, other) || isWithin(other, one)
}
