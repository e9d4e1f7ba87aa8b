import type { DocumentKind } from '../document-kind.ts'
import { type NamedDocuments, referenceProblems } from './cosmos-rule-references.ts'
import { parseRule } from './ruleset.ts'

/** A target's rules hold every instance that asks for it in memory: a bound for each, in bytes of JSON. */
const maxRuleBytes = 16_000

/** Rules, and guardrails in partition `*`: checked by the code that reads them, and what they name has to be there. */
export function ruleKind(named: NamedDocuments): DocumentKind {
  return {
    container: 'rules',
    async check(document, name) {
      const parsed = parseRule(document)
      if ('problems' in parsed) return parsed.problems
      const { rule } = parsed
      if (rule.id !== name.id) return [{ path: ['id'], detail: 'expected what the URL says' }]
      if (rule.target !== name.partition) return [{ path: ['target'], detail: 'expected what the URL says' }]
      if (Buffer.byteLength(JSON.stringify(document)) > maxRuleBytes) {
        return [{ path: [], detail: `expected ${maxRuleBytes} bytes of JSON at most` }]
      }
      return referenceProblems(rule, named)
    },
  }
}
