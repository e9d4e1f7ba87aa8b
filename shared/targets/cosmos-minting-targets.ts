import type { Container } from '@azure/cosmos'
import { askCosmos } from '../cosmos-error.ts'
import { problemText, tombstone, withoutSystemProperties } from '../document.ts'
import { type FindProvider, type Issuing, type OpenProvider, parseTarget, type Target } from './target.ts'

type Document = Readonly<Record<string, unknown>>

/** A target whose credentials are accounts, opened. */
export type OpenedTarget = Omit<Target, 'issuing'> & { readonly issuing: Extract<Issuing, { kind: 'minted' }> }

/** Where targets are, and what opens them. */
export interface MintingTargetsOptions {
  readonly container: Container
  readonly findProvider: FindProvider
  readonly open: OpenProvider
}

/**
 * Every target that mints, whether it is enabled or not: what was made there is there. Those that cannot be read come
 * with what is wrong. Throws 503 `documents_unavailable`.
 */
export async function* mintingTargets({
  container,
  findProvider,
  open,
}: MintingTargetsOptions): AsyncGenerator<OpenedTarget | { readonly id: string; readonly problem: string }> {
  const pages = container.items.query<Document>('SELECT * FROM c', { maxItemCount: 100 })
  while (pages.hasMoreResults()) {
    const { resources } = await askCosmos('documents_unavailable', () => pages.fetchNext())
    for (const document of resources ?? []) {
      if (tombstone.safeParse(document).success) continue
      const parsed = parseTarget(withoutSystemProperties(document), findProvider)
      if (!('target' in parsed))
        yield { id: String(document['id']), problem: parsed.problems.map(problemText)[0] ?? '' }
      else if (parsed.provider.issues === 'minted') {
        const issuing = open(parsed.provider, parsed.target.settings)
        if (issuing.kind === 'minted') yield { ...parsed.target, issuing }
      }
    }
  }
}
