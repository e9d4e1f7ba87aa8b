import { type CelInput, celEnv, isCelError, parse, plan } from '@bufbuild/cel'
import { timestampFromMs } from '@bufbuild/protobuf/wkt'
import { RE2JS } from '@bufbuild/re2'
import { z } from 'zod'
import type { Workload } from '../../workload/workload.ts'
import type { Facts } from '../facts.ts'
import type { Condition, Finding } from './condition.ts'
import { checkExpression, type Reading } from './expression-check.ts'
import { factShapes } from './expression-shape.ts'
import { type Expression, ExpressionMistake } from './expression-tree.ts'

const maxLength = 2_048
const maxNodes = 128
/** What matching may come to, in instructions of the patterns' automata: each as often as it may be applied. */
const maxMatching = 1_024

/**
 * A CEL expression over the facts. CEL's library here has neither a checker nor a limit of cost, so the syntax tree is
 * walked before anything is evaluated: what is accepted is short, loops over one bounded list at a time, and names
 * nothing that cannot be there.
 */
export const expressionCondition = z
  .string()
  .max(maxLength)
  .transform((text, context) => {
    try {
      return [compileExpression(text)]
    } catch (error) {
      context.issues.push({ code: 'custom', message: `expected a CEL expression: ${mistakeIn(error)}`, input: text })
      return z.NEVER
    }
  })

const withoutPatterns = celEnv()

function compileExpression(text: string): Condition {
  const { expr } = parse(text)
  if (countNodes(expr) > maxNodes) throw new ExpressionMistake(`it has more than ${maxNodes} parts`)
  const reading = checkExpression(expr, factShapes)
  const patterns = compilePatterns(reading.patterns)
  const evaluate = plan(patterns.size > 0 ? celEnv({ re2: { compile: known(patterns) } }) : withoutPatterns, expr)
  return { test: 'expression', expected: text, judge }

  function judge(facts: Facts): Finding {
    const { workload, actor } = facts
    const lost = [...(workload.claimsBeyondBounds ?? []), ...(actor?.claimsBeyondBounds ?? [])]
    if (lost.some(name => reading.lookups.has(name))) return { unevaluable: 'a claim is too large to be a fact' }
    try {
      const result = evaluate(bindingsOf(facts))
      if (typeof result === 'boolean') return { met: result }
      return { unevaluable: isCelError(result) ? bounded(result.message) : 'it came to neither true nor false' }
    } catch {
      return { unevaluable: 'it failed' }
    }
  }
}

function bindingsOf({ workload, actor, target, scopes, client, time }: Facts): Record<string, CelInput> {
  const facts = {
    workload: namedByOthers(workload),
    // Without an actor its members are missing, as any other fact may be: `has(actor.subject)` is false.
    actor: actor ? namedByOthers(actor) : {},
    target: { ...target, labels: new Map(Object.entries(target.labels)) },
    scopes,
    client,
  }
  return { ...(facts as unknown as Record<string, CelInput>), time: timestampFromMs(time) }
}

/** The library tells what an object is by members such as `constructor`, which claims and labels may be called too. */
function namedByOthers({ issuer, claims, ...others }: Workload) {
  const labels = new Map(Object.entries(issuer.labels))
  return { ...others, issuer: { ...issuer, labels }, claims: new Map(Object.entries(claims)) }
}

function compilePatterns(uses: Reading['patterns']): ReadonlyMap<string, RE2JS> {
  const patterns = new Map([...uses.keys()].map(text => [text, RE2JS.compile(text)]))
  const sizes = [...patterns].map(([text, pattern]) => pattern.re2().prog.numInst() * (uses.get(text) ?? 0))
  const total = sizes.reduce((sum, size) => sum + size, 0)
  if (total > maxMatching) throw new ExpressionMistake('its patterns are too large, or applied too often')
  return patterns
}

/** The patterns stand in the text, so that they were compiled already. */
function known(patterns: ReadonlyMap<string, RE2JS>) {
  return (text: string) => {
    const pattern = patterns.get(text)
    if (!pattern) throw new TypeError('expected a pattern of this expression')
    return pattern
  }
}

/** Of the tree as it is evaluated: macros such as `all` are written out in it. */
function countNodes(root: Expression): number {
  const waiting: unknown[] = [root]
  let count = 0
  while (waiting.length > 0 && count <= maxNodes) {
    const value = waiting.pop()
    if (typeof value !== 'object' || value === null) continue
    if ('exprKind' in value) count += 1
    waiting.push(...Object.values(value))
  }
  return count
}

function mistakeIn(error: unknown): string {
  return error instanceof Error ? bounded(error.message) : 'it cannot be read'
}

function bounded(text: string): string {
  return text.slice(0, 160)
}
