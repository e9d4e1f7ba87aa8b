import type { Container } from '@azure/cosmos'
import { askCosmos } from '../cosmos-error.ts'
import { type Problem, tombstone } from '../document.ts'
import type { Rule } from './rule.ts'

type Document = Readonly<Record<string, unknown>>

/** Where the documents are that a rule may name. */
export interface NamedDocuments {
  readonly targets: Container
  readonly calendars: Container
  readonly issuers: Container
}

/** What a rule names and is not there, and where. Throws 503 where Cosmos DB cannot be asked. */
export async function referenceProblems(
  rule: Rule,
  { targets, calendars, issuers }: NamedDocuments,
): Promise<readonly Problem[]> {
  const [scopes, lostCalendars, lostIssuers] = await Promise.all([
    scopeProblems(targets, rule),
    missing(calendars, rule.conditions.time?.calendars ?? []),
    missing(issuers, issuersIn(rule)),
  ])
  return [
    ...scopes,
    ...lostCalendars.map(id => ({ path: ['conditions', 'time'], detail: `there is no calendar "${id}"` })),
    ...lostIssuers.map(id => ({ path: ['workloads'], detail: `there is no issuer "${id}"` })),
  ]
}

/** The issuers that a rule names by their whole id. */
function issuersIn({ workloads }: Rule): readonly string[] {
  const named = workloads.flatMap(({ issuer, actor }) => [issuer, actor?.issuer])
  return [...new Set(named.filter(id => typeof id === 'string').filter(id => !id.endsWith('*')))]
}

/** A rule must not name a target or a scope that is not there: it would look like protection, and be none. */
async function scopeProblems(targets: Container, { target, scopes = [] }: Rule): Promise<readonly Problem[]> {
  // A guardrail is for every target: which scopes there are, nobody can tell.
  if (target === '*') return []
  const defined = (await readDocument(targets, target))?.['scopes']
  if (typeof defined !== 'object' || defined === null) {
    return [{ path: ['target'], detail: `there is no target "${target}"` }]
  }
  return scopes.flatMap((scope, at) =>
    Object.hasOwn(defined, scope) ? [] : [{ path: ['scopes', at], detail: `the target has no scope "${scope}"` }],
  )
}

/** Those of the ids of which there is no document: a rule that names one would look like protection, and be none. */
async function missing(container: Container, ids: readonly string[]): Promise<readonly string[]> {
  const found = await Promise.all(ids.map(id => readDocument(container, id)))
  return ids.filter((_, at) => !found[at] || tombstone.safeParse(found[at]).success)
}

/** Of a container whose documents are partitioned by their ids. */
async function readDocument(container: Container, id: string): Promise<Document | undefined> {
  return (await askCosmos('documents_unavailable', () => container.item(id, id).read<Document>())).resource
}
