import { functions, methods } from './expression-functions.ts'
import { any, bool, double, fits, int, listOf, nothing, type Shape, string } from './expression-shape.ts'
import { checkLiteral, type Expression, ExpressionMistake, isFact, literalText } from './expression-tree.ts'
import { timeZone } from './zone-clock.ts'

type Kind<Case extends string> = Extract<Expression['exprKind'], { case: Case }>['value']
type Call = Kind<'callExpr'>
type Comprehension = Kind<'comprehensionExpr'>

/** What the walk over one expression knows. */
interface Scope extends Reading {
  readonly names: Readonly<Record<string, Shape>>
  /** How often this part may be evaluated: once, or for each member of a comprehension's list. */
  readonly times: number
}

/** What an expression reads and does that its text tells. */
export interface Reading {
  /** The names that it looks up in claims and labels, asking whether they are there included. */
  readonly lookups: Set<string>
  /** The patterns that it matches with, and how often at the most. */
  readonly patterns: Map<string, number>
}

/** The longest list that is a fact: the app roles or scopes of an Entra identity. */
const longestFact = 64

/**
 * Walks a syntax tree once: everything that it names is there, and everything that it calls takes what it is given, as
 * far as can be told. Throws {@link ExpressionMistake}.
 */
export function checkExpression(root: Expression, names: Readonly<Record<string, Shape>>): Reading {
  const reading = { lookups: new Set<string>(), patterns: new Map<string, number>() }
  const result = shapeOf(root, { ...reading, names, times: 1 })
  if (!fits(result, bool)) throw new ExpressionMistake(`expected true or false, found ${describe(result)}`)
  return reading
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
  const shapes = elements.map(element => shapeOf(element, scope))
  if (shapes.some(hasMembers)) throw new ExpressionMistake('objects and maps cannot stand in a list, but their members')
  const [first] = shapes
  return listOf(first && shapes.every(shape => shape.kind === first.kind) ? first : any)
}

function called({ function: name, target, args }: Call, scope: Scope): Shape {
  const operands = target ? [target, ...args] : args
  if (name === '_[_]') return indexed(operands, scope)
  if (name === '@in') return contained(operands, scope)
  const shapes = operands.map(operand => shapeOf(operand, scope))
  if (name === '_?_:_') return chosen(shapes)
  if (name === '_==_' || name === '_!=_') return compared(shapes)
  if (name === 'matches') notePattern(literalText(args[0], 'a pattern in quotes'), scope)
  if (target && args.length > 0 && name.startsWith('get')) checkZone(args[0], scope)
  if (name === 'timestamp' || name === 'duration') checkLiteral(name, args[0])
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
    scope.lookups.add(literalText(index, 'a name in quotes'))
    return shape.of
  }
  if (!fits(shape, listOf(any)) || !fits(shapeOf(index, scope), int))
    throw new ExpressionMistake(`[…] is for maps by name and lists by number, not for ${describe(shape)}`)
  return shape.kind === 'list' ? shape.of : any
}

function contained([member, container]: readonly Expression[], scope: Scope): Shape {
  const shape = shapeOf(container, scope)
  if (hasMembers(shapeOf(member, scope))) throw new ExpressionMistake('objects and maps are in nothing')
  if (shape.kind === 'map') scope.lookups.add(literalText(member, 'a name in quotes'))
  else if (!fits(shape, listOf(any))) throw new ExpressionMistake(`nothing is in ${describe(shape)}`)
  return bool
}

function notePattern(pattern: string, { patterns, times }: Scope): void {
  patterns.set(pattern, (patterns.get(pattern) ?? 0) + times)
}

/** The clocks of a zone are dear: for each member of a list they would be asked again. */
function checkZone(node: Expression | undefined, { times }: Scope): void {
  if (times > 1) throw new ExpressionMistake('a time zone cannot be asked within a comprehension')
  const name = literalText(node, 'a time zone in quotes')
  if (!timeZone.safeParse(name).success) throw new ExpressionMistake(`"${name}" is not an IANA time zone`)
}

function chosen([condition = any, one = any, other = any]: readonly Shape[]): Shape {
  if (!fits(condition, bool)) throw new ExpressionMistake(`? expects true or false, found ${describe(condition)}`)
  if (one.kind === other.kind) return one
  if (hasMembers(one) || hasMembers(other))
    throw new ExpressionMistake(`? cannot choose between ${describe(one)} and ${describe(other)}`)
  return any
}

function compared([left = any, right = any]: readonly Shape[]): Shape {
  if (hasMembers(left) || hasMembers(right))
    throw new ExpressionMistake('objects and maps are not compared, but their members')
  const areNumbers = [left, right].every(({ kind }) => kind === 'int' || kind === 'double')
  if (areNumbers || fits(left, right)) return bool
  throw new ExpressionMistake(`${describe(left)} never equals ${describe(right)}`)
}

/** `all`, `exists`, `exists_one`, `map`, `filter`: one deep, over what is a fact or written out, so that none runs long. */
function comprehended(macro: Comprehension, scope: Scope): Shape {
  const { iterRange, iterVar, accuVar, accuInit, loopCondition, loopStep, result } = macro
  if (scope.times > 1) throw new ExpressionMistake('a comprehension cannot stand within another')
  const written = iterRange?.exprKind.case === 'listExpr' ? iterRange.exprKind.value.elements.length : undefined
  if (written === undefined && !isFact(iterRange))
    throw new ExpressionMistake('a comprehension goes over a fact or a list that is written out')
  const range = shapeOf(iterRange, scope)
  if (!fits(range, listOf(any))) throw new ExpressionMistake(`a comprehension goes over a list, not ${describe(range)}`)
  const accumulated = shapeOf(accuInit, scope)
  const names = { ...scope.names, [iterVar]: range.kind === 'list' ? range.of : any, [accuVar]: accumulated }
  // Twice at least, so that what stands within a comprehension can be told.
  const inside = { ...scope, names, times: Math.max(2, written ?? longestFact) }
  for (const part of [loopCondition, loopStep]) shapeOf(part, inside)
  return shapeOf(result, inside)
}

/** Never taken for `any`: of a map in disguise nobody could tell by what names it is asked. */
function hasMembers({ kind }: Shape): boolean {
  return kind === 'object' || kind === 'map'
}

function describe(shape: Shape): string {
  return shape.kind
}
