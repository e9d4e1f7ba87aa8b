/** The id of a record or a checkpoint by its number, which counts from 1: zero-padded, so that ids sort as numbers do. */
export function idOf(number: number): string {
  return String(number).padStart(12, '0')
}

/** The id after another; the first where there is none. */
export function idAfter(id: string | undefined): string {
  return idOf(Number(id ?? 0) + 1)
}

/** The number in an id of twelve digits, from 1; undefined for any other, and for the last, which no writer comes to. */
export function numberOf(id: unknown): number | undefined {
  return typeof id === 'string' && /^\d{12}$/.test(id) && Number(id) > 0 && id !== '999999999999'
    ? Number(id)
    : undefined
}
