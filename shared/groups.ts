/** A list in groups of so many, in order; the last one has what is left. */
export function* groupsOf<T>(all: readonly T[], size: number): Generator<readonly T[]> {
  for (let from = 0; from < all.length; from += size) yield all.slice(from, from + size)
}
