import { hash } from 'node:crypto'
import canonicalize from 'canonicalize'

/**
 * The RFC 8785 form of a value. Throws a `TypeError` for what JSON cannot hold, and an `Error` for text that is no
 * Unicode and numbers that are none.
 *
 * `JSON.stringify` writes strings and numbers as section 3.2.2 asks, and members in their order: of a copy whose members
 * are sorted it makes the form in half of the library's time. What the copy cannot hold in order is left to the library.
 */
export function canonicalForm(value: unknown): string {
  return canonicalCopy(value).form
}

/** The {@link canonicalForm}, and the value of which it is the form, which nobody else holds. Throws as that does. */
export function canonicalCopy(value: unknown): { readonly form: string; readonly copy: unknown } {
  const copy = inOrder(value)
  if (copy !== notInOrder) return { form: JSON.stringify(copy), copy }
  const form = canonicalize(value)
  if (form === undefined) throw new TypeError('expected a value that JSON can hold')
  return { form, copy: JSON.parse(form) }
}

/** SHA-256 in hexadecimal over the {@link canonicalForm}. */
export function canonicalDigest(value: unknown): string {
  return hash('sha256', canonicalForm(value), 'hex')
}

const notInOrder: unique symbol = Symbol('not in order')
/** Deeper than anything that is written here; the library needs no stack. */
const deepest = 64

/** A copy with sorted members, of plain data that is neither deep nor wrong in any way. */
function inOrder(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return value.isWellFormed() ? value : notInOrder
  if (typeof value === 'number') return Number.isFinite(value) ? value : notInOrder
  if (typeof value !== 'object' || value === null)
    return typeof value === 'boolean' || value === null ? value : notInOrder
  if (depth === deepest) return notInOrder
  return Array.isArray(value) ? elementsInOrder(value, depth) : membersInOrder(value, depth)
}

function elementsInOrder(value: readonly unknown[], depth: number): unknown {
  const copy: unknown[] = []
  for (const element of value) {
    const inside = inOrder(element, depth + 1)
    if (inside === notInOrder) return notInOrder
    copy.push(inside)
  }
  return copy
}

function membersInOrder(value: object, depth: number): unknown {
  const prototype = Object.getPrototypeOf(value)
  if ((prototype !== Object.prototype && prototype !== null) || 'toJSON' in value) return notInOrder
  const copy: Record<string, unknown> = {}
  for (const name of Object.keys(value).sort()) {
    const member = (value as Readonly<Record<string, unknown>>)[name]
    if (member === undefined) continue
    const inside = keepsItsPlace(name) ? inOrder(member, depth + 1) : notInOrder
    if (inside === notInOrder) return notInOrder
    copy[name] = inside
  }
  return copy
}

/** An object puts names that are numbers first, whenever they were added, and takes one name for its prototype. */
function keepsItsPlace(name: string): boolean {
  const first = name.charCodeAt(0)
  return !(first >= 0x30 && first <= 0x39) && name !== '__proto__' && name.isWellFormed()
}
