import type { Callers } from '../workload/identify.ts'
import type { CompiledRule } from './ruleset.ts'
import { patternsOf, type TextMember, type TextPattern, textMembers, type WorkloadSelector } from './selector.ts'

/** Finds the rules that could be about somebody without looking at the others. */
export interface RuleIndex {
  /** All that are about the callers, and perhaps some that are not, in their order. */
  candidates(callers: Callers): readonly CompiledRule[]
}

/** Members by which a rule is filed when its selector names all of them exactly: the first that fits. */
const filings: readonly (readonly TextMember[])[] = [
  ['serviceAccountUid'],
  ['pod'],
  ['issuer', 'namespace', 'serviceAccount'],
  ['issuer', 'subject'],
  ['namespace', 'serviceAccount'],
  ['subject'],
  ['issuer', 'namespace'],
  ['namespace'],
  ['serviceAccount'],
  ['node'],
  ['actor issuer', 'actor subject'],
  ['issuer'],
  ['region'],
]

/** Where rules are looked for that are filed in one way: undefined where the callers have no such member. */
type Look = (callers: Callers) => string | undefined

const everywhere = 'everyone'

/** Files each rule under the most telling part of each of its selectors. Rules come in their order. */
export function indexRules(rules: readonly CompiledRule[]): RuleIndex {
  const files = new Map<string, number[]>()
  const looks = new Map<string, Look>()
  for (const [position, { rule }] of rules.entries()) {
    for (const selector of rule.workloads) {
      const { way, key, look } = filingOf(selector)
      looks.set(way, look)
      const file = files.get(key)
      if (!file) files.set(key, [position])
      else if (file.at(-1) !== position) file.push(position)
    }
  }
  const ways = [...looks.values()]
  return {
    candidates(callers) {
      const found = ways.flatMap(look => files.get(look(callers) ?? '') ?? [])
      const positions = found.length > 1 ? [...new Set(found)].sort((a, b) => a - b) : found
      return positions.flatMap(position => rules[position] ?? [])
    },
  }
}

interface Filing {
  /** The same for all selectors that are filed alike. */
  readonly way: string
  readonly key: string
  readonly look: Look
}

function filingOf(selector: WorkloadSelector): Filing {
  const patterns = patternsOf(selector)
  const exact = new Map(patterns.filter(({ exact }) => exact).map(({ member, text }) => [member, text]))
  const members = filings.find(each => each.every(member => exact.has(member)))
  if (members) return exactFiling(members, exact)
  const beginnings = patterns.filter(({ exact, text }) => !exact && text !== '')
  const longest = beginnings.toSorted((a, b) => b.text.length - a.text.length)[0]
  return longest ? beginningFiling(longest) : { way: everywhere, key: everywhere, look: () => everywhere }
}

function exactFiling(members: readonly TextMember[], exact: ReadonlyMap<TextMember, string>): Filing {
  const way = members.join('+')
  const look: Look = callers => {
    let key = way
    for (const member of members) {
      const found = textMembers[member](callers)
      if (found === undefined) return undefined
      key += `\n${found}`
    }
    return key
  }
  return { way, key: `${way}\n${members.map(member => exact.get(member)).join('\n')}`, look }
}

function beginningFiling({ member, text }: TextPattern): Filing {
  const { length } = text
  const way = `${member} ${length}`
  const find = textMembers[member]
  return { way, key: `${way}\n${text}`, look: callers => beginning(way, find(callers), length) }
}

function beginning(way: string, found: string | undefined, length: number): string | undefined {
  return found === undefined ? undefined : `${way}\n${found.slice(0, length)}`
}
