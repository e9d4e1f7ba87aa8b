import type { Container } from '@azure/cosmos'
import { askCosmos } from '../cosmos-error.ts'
import { type Problem, problemsIn } from '../document.ts'
import type { DocumentKind } from '../document-kind.ts'
import { type Lockdown, lockdownDocument, stands } from './lockdown.ts'

export interface LockdownKindOptions {
  readonly issuers: Container
  readonly targets: Container
  readonly rules: Container
  /** Wall clock, epoch milliseconds. */
  readonly now: () => number
}

/**
 * Lockdowns: checked by the code that reads them, since one that cannot be read locks everything; and what they name has
 * to be there, or one would look like protection, and be none.
 */
export function lockdownKind({ now, ...containers }: LockdownKindOptions): DocumentKind {
  return {
    container: 'lockdowns',
    async check(document, name) {
      const parsed = lockdownDocument.safeParse(document, { reportInput: true })
      if (!parsed.success) return problemsIn(parsed.error)
      const lockdown = parsed.data
      return [
        ...(lockdown.id === name.id ? [] : [{ path: ['id'], detail: 'expected what the URL says' }]),
        ...(stands(lockdown, now()) ? [] : [{ path: ['expiresAt'], detail: 'expected a time that is yet to come' }]),
        ...(await referenceProblems(lockdown, containers)),
      ]
    },
  }
}

/** What was removed counts as there: leases that rest on it may be alive. */
async function referenceProblems(
  { blocks }: Lockdown,
  { issuers, targets, rules }: Omit<LockdownKindOptions, 'now'>,
): Promise<readonly Problem[]> {
  if (blocks === 'everything') return []
  const { issuer, target, rule } = blocks
  const isThere = {
    issuer: issuer === undefined || (await isKnown(issuers, issuer)),
    target: target === undefined || (await isKnown(targets, target)),
    rule: rule === undefined || (await isRule(rules, rule, target)),
  }
  return (['issuer', 'target', 'rule'] as const)
    .filter(member => !isThere[member])
    .map(member => ({ path: ['blocks', member], detail: `there is no ${member} "${blocks[member]}"` }))
}

async function isKnown(container: Container, id: string): Promise<boolean> {
  return (await askCosmos('documents_unavailable', () => container.item(id, id).read())).resource !== undefined
}

/** Guardrails give nothing, so a lockdown of one would block nothing. */
async function isRule(rules: Container, id: string, target: string | undefined): Promise<boolean> {
  const query = {
    query: "SELECT TOP 1 c.id FROM c WHERE c.id = @id AND c.target != '*'",
    parameters: [{ name: '@id', value: id }],
  }
  const found = rules.items.query(query, target === undefined ? {} : { partitionKey: target })
  return (await askCosmos('documents_unavailable', () => found.fetchAll())).resources.length > 0
}
