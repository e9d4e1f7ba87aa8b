/** What one of several workers does: the next, and the next, until there is none or no time. */
export async function drain<T>(
  items: Iterator<T> | AsyncIterator<T>,
  work: (item: T) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const { value, done } = await items.next()
    if (done) return
    await work(value)
  }
}
