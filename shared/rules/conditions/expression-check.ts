import type { parse } from '@bufbuild/cel'
import { functions, methods } from './expression-functions.ts'
import { any, bool, double, fits, int, listOf, nothing, type Shape, string } from './expression-shape.ts'

/** A node of CEL's syntax tree (cel.expr.Expr). */
export type Expression = ReturnType<typeof parse>['expr']
type Kind<Case extends string> = Extract<Expression['exprKind'], { case: Case }>['value']
type Call = Kind<'callExpr'>
type Comprehension = Kind<'comprehensionExpr'>

/** Why an expression is refused, in words for its author. */
export class ExpressionMistake extends Error {}

/** What the walk over one expression knows. */
interface Scope {
  readonly names: Readonly<Record<string, Shape>>
  readonly inComprehension: boolean
  /** Collects the patterns of `matches`. */
  readonly patterns: Set<string>
}

const maxListLength = 256

/**
 * Walks a syntax tree once: everything that it names is there, and everything that it calls takes what it is given, as
 * far as can be told. Returns the patterns that it matches with. Throws {@link ExpressionMistake}.
 */
export function checkExpression(root: Expression, names: Readonly<Record<string, Shape>>): ReadonlySet<string> {
  const patterns = new Set<string>()
  const result = shapeOf(root, { names, inComprehension: false, patterns })
  if (!fits(result, bool)) throw new ExpressionMistake(`expected true or false, found ${describe(result)}`)
  return patterns
}

function shapeOf(node: Expression | undefined, scope: Scope): Shape {
  const { case: kind, value } = node?.exprKind ?? { case: undefined }
  switch (kind) {
    case 'constExpr':
      return constant(value.constantKind.case)
    case 'identExpr':
      return member(scope.names, value.name, 'a fact')
    case 'selectExpr': {
      const found = selected(shapeOf(value.operand, scope), value.field)
      // `has(a.b)` asks whether the member is there.
      return value.testOnly ? bool : found
    }
    case 'listExpr':
      return listed(value.elements, scope)
    case 'callExpr':
      return called(value, scope)
    case 'comprehensionExpr':
      return comprehended(value, scope)
    default:
      throw new ExpressionMistake('maps and messages cannot be written here')
  }
}

function constant(kind: string | undefined): Shape {
  const shapes: Readonly<Record<string, Shape>> = {
    stringValue: string,
    int64Value: int,
    doubleValue: double,
    boolValue: bool,
    nullValue: nothing,
  }
  return member(shapes, kind ?? '', 'a literal')
}

function member(members: Readonly<Record<string, Shape>>, name: string, what: string): Shape {
  const found = Object.hasOwn(members, name) ? members[name] : undefined
  if (found) return found
  throw new ExpressionMistake(`"${name}" is not ${what} here; there are ${Object.keys(members).join(', ')}`)
}

function selected(operand: Shape, field: string): Shape {
  if (operand.kind === 'object') return member(operand.members, field, 'a member')
  if (operand.kind === 'map')
    throw new ExpressionMistake(`write ['${field}'] instead of .${field}, and '${field}' in … instead of has(…)`)
  throw new ExpressionMistake(`there is no member "${field}" in ${describe(operand)}`)
}

function listed(elements: readonly Expression[], scope: Scope): Shape {
  if (elements.length > maxListLength) throw new ExpressionMistake(`expected a list of ${maxListLength} at most`)
  const shapes = elements.map(element => shapeOf(element, scope))
  const [first] = shapes
  return listOf(first && shapes.every(shape => shape.kind === first.kind) ? first : any)
}

function called({ function: name, target, args }: Call, scope: Scope): Shape {
  const operands = target ? [target, ...args] : args
  if (name === '_[_]') return indexed(operands, scope)
  const shapes = operands.map(operand => shapeOf(operand, scope))
  if (name === '_?_:_') return chosen(shapes)
  if (name === '_==_' || name === '_!=_') return compared(shapes)
  if (name === 'matches') scope.patterns.add(literalText(args[0], 'a pattern in quotes'))
  return result(name, target !== undefined, shapes)
}

function result(name: string, onReceiver: boolean, shapes: readonly Shape[]): Shape {
  const callable = Object.hasOwn(functions, name) ? functions[name] : undefined
  if (!callable) throw new ExpressionMistake(`there is no function "${name}" here`)
  if (name !== 'size' && methods.has(name) !== onReceiver)
    throw new ExpressionMistake(onReceiver ? `write ${name}(…)` : `write ….${name}(…)`)
  const [overload, ...others] = callable.filter(
    ({ takes }) => takes.length === shapes.length && takes.every((taken, at) => fits(shapes[at] ?? any, taken)),
  )
  if (!overload) throw new ExpressionMistake(`${name} does not take ${shapes.map(describe).join(', ')}`)
  return others.every(({ gives }) => gives.kind === overload.gives.kind) ? overload.gives : any
}

/** A map is asked by a name in quotes, so that what an expression reads can be told from its text. */
function indexed([operand, index]: readonly Expression[], scope: Scope): Shape {
  const shape = shapeOf(operand, scope)
  if (shape.kind === 'map') {
    literalText(index, 'a name in quotes')
    return shape.of
  }
  if (!fits(shape, listOf(any)) || !fits(shapeOf(index, scope), int))
    throw new ExpressionMistake(`[…] is for maps by name and lists by number, not for ${describe(shape)}`)
  return shape.kind === 'list' ? shape.of : any
}

function chosen([condition = any, one = any, other = any]: readonly Shape[]): Shape {
  if (!fits(condition, bool)) throw new ExpressionMistake(`? expects true or false, found ${describe(condition)}`)
  return one.kind === other.kind ? one : any
}

function compared([left = any, right = any]: readonly Shape[]): Shape {
  const areNumbers = [left, right].every(({ kind }) => kind === 'int' || kind === 'double')
  if (areNumbers || fits(left, right)) return bool
  throw new ExpressionMistake(`${describe(left)} never equals ${describe(right)}`)
}

/** `all`, `exists`, `exists_one`, `map`, `filter`: one deep, over what is a fact or written out, so that none runs long. */
function comprehended(macro: Comprehension, scope: Scope): Shape {
  const { iterRange, iterVar, accuVar, accuInit, loopCondition, loopStep, result } = macro
  if (scope.inComprehension) throw new ExpressionMistake('a comprehension cannot stand within another')
  if (iterRange?.exprKind.case !== 'listExpr' && !isFact(iterRange))
    throw new ExpressionMistake('a comprehension goes over a fact or a list that is written out')
  const range = shapeOf(iterRange, scope)
  if (!fits(range, listOf(any))) throw new ExpressionMistake(`a comprehension goes over a list, not ${describe(range)}`)
  const accumulated = shapeOf(accuInit, scope)
  const names = { ...scope.names, [iterVar]: range.kind === 'list' ? range.of : any, [accuVar]: accumulated }
  const inside = { ...scope, names, inComprehension: true }
  for (const part of [loopCondition, loopStep]) shapeOf(part, inside)
  return shapeOf(result, inside)
}

/** Of a computed list nobody can tell how long it gets. What `[…]` picks out of a fact, a claim say, is there already. */
function isFact(range: Expression | undefined): boolean {
  const { case: kind, value } = range?.exprKind ?? { case: undefined }
  if (kind === 'selectExpr') return isFact(value.operand)
  if (kind === 'callExpr') return value.function === '_[_]' && isFact(value.args[0])
  return kind === 'identExpr'
}

function literalText(node: Expression | undefined, expected: string): string {
  const { case: kind, value } = node?.exprKind ?? { case: undefined }
  if (kind === 'constExpr' && value.constantKind.case === 'stringValue') return value.constantKind.value
  throw new ExpressionMistake(`expected ${expected}`)
}

function describe(shape: Shape): string {
  return shape.kind
}
