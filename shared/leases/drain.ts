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

/** So many workers at once. Waits for all of them, also where one fails; then throws what it threw. */
export async function inParallel(workers: number, work: () => Promise<void>): Promise<void> {
  const done = await Promise.allSettled(Array.from({ length: workers }, work))
  for (const one of done) if (one.status === 'rejected') throw one.reason
}
