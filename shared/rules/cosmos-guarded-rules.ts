import type { Container, SqlQuerySpec } from '@azure/cosmos'
import { askCosmos } from '../cosmos-error.ts'
import { withoutSystemProperties } from '../document.ts'
import type { ReadGuardedRules } from './guarded-trust.ts'
import { parseRule } from './ruleset.ts'

type Document = Readonly<Record<string, unknown>>

/** Beyond so many nobody waits for an answer: what rests on them is then not told. */
const targetsAtMost = 500
const rulesAtMost = 2_000
const pageSize = 500

/** Reads the rules of the targets that want a second person, and the guardrails that do. Throws 503 `documents_unavailable`. */
export function guardedRules(containers: { readonly targets: Container; readonly rules: Container }): ReadGuardedRules {
  return async () => {
    const targets = await readAtMost(targetsAtMost, containers.targets, {
      query: 'SELECT c.id FROM c WHERE c.requireApproval = true',
    })
    const rules = targets && (await readAtMost(rulesAtMost, containers.rules, spec(targets)))
    const parsed = rules?.map(document => parseRule(withoutSystemProperties(document)))
    const readable = parsed?.flatMap(one => ('rule' in one ? [one.rule] : []))
    return readable?.length === parsed?.length ? readable : undefined
  }
}

function spec(targets: readonly Document[]): SqlQuerySpec {
  return {
    query:
      'SELECT * FROM c WHERE NOT IS_DEFINED(c.deleted) ' +
      "AND (ARRAY_CONTAINS(@targets, c.target) OR (c.target = '*' AND c.requireApproval = true))",
    parameters: [{ name: '@targets', value: targets.map(({ id }) => String(id)) }],
  }
}

/** Undefined where there are more. */
async function readAtMost(
  most: number,
  container: Container,
  query: SqlQuerySpec,
): Promise<readonly Document[] | undefined> {
  const pages = container.items.query<Document>(query, { maxItemCount: pageSize })
  const read: Document[] = []
  while (pages.hasMoreResults() && read.length <= most) {
    const { resources } = await askCosmos('documents_unavailable', () => pages.fetchNext())
    read.push(...(resources ?? []))
  }
  return read.length > most ? undefined : read
}
