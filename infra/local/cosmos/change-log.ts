import type { Document } from './document.ts'

/**
 * Every version that a container was given, in the order of commits. Versions that are no longer current stay until
 * {@link ChangeLog.compact}; whoever reads the log passes over them.
 */
export class ChangeLog {
  #entries: Document[] = []

  get length(): number {
    return this.#entries.length
  }

  append(document: Document): void {
    this.#entries.push(document)
  }

  /** The versions written after the commit `lsn`, oldest first. Finding the first is a binary search. */
  *after(lsn: number): Generator<Document> {
    for (let index = this.#firstAfter(lsn); index < this.#entries.length; index++) {
      const document = this.#entries[index]
      if (document) yield document
    }
  }

  compact(isCurrent: (document: Document) => boolean): void {
    this.#entries = this.#entries.filter(isCurrent)
  }

  #firstAfter(lsn: number): number {
    let low = 0
    let high = this.#entries.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#entries[middle]?.lsn ?? 0) > lsn) high = middle
      else low = middle + 1
    }
    return low
  }
}
