import type { Container } from '@azure/cosmos'
import { askCosmos } from '../cosmos-error.ts'
import { tombstone } from '../document.ts'
import type { Rule } from './rule.ts'

type Document = Readonly<Record<string, unknown>>

/** Where the documents are that a rule may name. */
export interface NamedDocuments {
  readonly targets: Container
  readonly calendars: Container
}

/** What a rule names and is not there, path by path. Throws 503 where Cosmos DB cannot be asked. */
export async function referenceProblems(
  rule: Rule,
  { targets, calendars }: NamedDocuments,
): Promise<readonly string[]> {
  const found = await Promise.all([scopeProblems(targets, rule), calendarProblems(calendars, rule)])
  return found.flat()
}

/** A rule must not name a target or a scope that is not there: it would look like protection, and be none. */
async function scopeProblems(targets: Container, { target, scopes = [] }: Rule): Promise<readonly string[]> {
  const defined = (await readDocument(targets, target))?.['scopes']
  if (typeof defined !== 'object' || defined === null) return [`target: there is no target "${target}"`]
  return scopes
    .filter(scope => !Object.hasOwn(defined, scope))
    .map(scope => `scopes: the target has no scope "${scope}"`)
}

/** A window beside a calendar that is not there is never open for an allow, and always for a deny. */
async function calendarProblems(calendars: Container, { conditions }: Rule): Promise<readonly string[]> {
  const named = conditions.time?.calendars ?? []
  const found = await Promise.all(named.map(id => readDocument(calendars, id)))
  return named
    .filter((_, at) => !found[at] || tombstone.safeParse(found[at]).success)
    .map(id => `conditions.time: there is no calendar "${id}"`)
}

/** Of a container whose documents are partitioned by their ids. */
async function readDocument(container: Container, id: string): Promise<Document | undefined> {
  return (await askCosmos('documents_unavailable', () => container.item(id, id).read<Document>())).resource
}
