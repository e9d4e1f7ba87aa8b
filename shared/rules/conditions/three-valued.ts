/** True, false, or undefined for what cannot be evaluated (Kleene's logic). */
export type Ternary = boolean | undefined

/** False where any is false, whatever the others are; true where all are true. */
export function every(values: readonly Ternary[]): Ternary {
  if (values.includes(false)) return false
  return values.includes(undefined) ? undefined : true
}

/** True where any is true, whatever the others are; false where all are false. */
export function some(values: readonly Ternary[]): Ternary {
  if (values.includes(true)) return true
  return values.includes(undefined) ? undefined : false
}

export function not(value: Ternary): Ternary {
  return value === undefined ? undefined : !value
}
