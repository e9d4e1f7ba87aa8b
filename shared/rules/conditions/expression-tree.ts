import { isCelError, type parse, run } from '@bufbuild/cel'

/** A node of CEL's syntax tree (cel.expr.Expr). */
export type Expression = ReturnType<typeof parse>['expr']

/** Why an expression is refused, in words for its author. */
export class ExpressionMistake extends Error {}

/** The text that a node is. Throws {@link ExpressionMistake} where it is not written out. */
export function literalText(node: Expression | undefined, expected: string): string {
  const { case: kind, value } = node?.exprKind ?? { case: undefined }
  if (kind === 'constExpr' && value.constantKind.case === 'stringValue') return value.constantKind.value
  throw new ExpressionMistake(`expected ${expected}`)
}

/** What is written out is read now: a mistake in it would never be met by an allow, and always by a deny. */
export function checkLiteral(name: 'timestamp' | 'duration', node: Expression | undefined): void {
  const { case: kind, value } = node?.exprKind ?? { case: undefined }
  if (kind !== 'constExpr' || value.constantKind.case !== 'stringValue') return
  const text = value.constantKind.value
  if (isCelError(run(`${name}(text)`, { text }))) throw new ExpressionMistake(`"${text}" is not a ${name}`)
}

/** Of a computed list nobody can tell how long it gets. What `[…]` picks out of a fact, a claim say, is there already. */
export function isFact(range: Expression | undefined): boolean {
  const { case: kind, value } = range?.exprKind ?? { case: undefined }
  if (kind === 'selectExpr') return isFact(value.operand)
  if (kind === 'callExpr') return value.function === '_[_]' && isFact(value.args[0])
  return kind === 'identExpr'
}
