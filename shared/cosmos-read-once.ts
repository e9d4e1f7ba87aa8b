import type { Container } from '@azure/cosmos'
import { askCosmos } from './cosmos-error.ts'
import type { Follower } from './cosmos-follower.ts'

type Document = Readonly<Record<string, unknown>>

/**
 * Stands in for a follower where one answer is wanted, as things are now: hands over every document when it is first
 * asked, and never again. Throws 503 `documents_unavailable`.
 */
export function readOnce(container: Container): (onChange: (document: Document) => void) => Follower {
  return onChange => {
    let reading: Promise<void> | undefined
    const read = async () => {
      const pages = container.items.query<Document>('SELECT * FROM c', { maxItemCount: 500 })
      while (pages.hasMoreResults()) {
        const { resources } = await askCosmos('documents_unavailable', () => pages.fetchNext())
        for (const document of resources ?? []) onChange(document)
      }
    }
    return {
      ensureFresh() {
        reading ??= read()
        return reading
      },
      stop() {},
    }
  }
}

/** A follower for what is read when it is asked for and not kept: it is always as things are now. */
export const alwaysFresh: Follower = { ensureFresh: async () => {}, stop() {} }
