import type { Container } from '@azure/cosmos'
import { z } from 'zod'
import { askCosmos } from '../cosmos-error.ts'
import type { Follower } from '../cosmos-follower.ts'
import { describeProblems, withoutSystemProperties } from '../document.ts'
import { ExchangeError, unavailable } from '../errors.ts'
import { issuerDocument } from './issuer.ts'
import { issuerIndex } from './issuer-index.ts'
import { explainUnknownIssuer } from './issuer-mistakes.ts'
import { chooseByKey } from './shared-issuer-url.ts'
import type { FoundIssuer, Issuers } from './verify-token.ts'

type Document = Readonly<Record<string, unknown>>

const indexed = z.object({ id: z.string(), issuerUrl: z.string() })

/** Hands over every issuer document, and later each that changed. */
export type FollowIssuers = (onChange: (document: Document) => void) => Follower

/**
 * The snapshot of registered issuers: an index of `issuerUrl` to id in memory, kept in step by the change feed, so that a
 * token of an unknown issuer costs no I/O. A whole document is read on first use and again when it changed.
 */
export function cosmosIssuers(container: Container, follow: FollowIssuers): Issuers & { ready(): Promise<void> } {
  const index = issuerIndex()
  const loaded = new Map<string, Promise<FoundIssuer>>()
  const follower = follow(document => {
    const id = String(document['id'])
    loaded.delete(id)
    const entry = indexed.safeParse(document)
    // A tombstone has no issuerUrl: the issuer stops counting here.
    if (entry.success) index.put(entry.data)
    else index.remove(id)
  })

  function load(id: string): Promise<FoundIssuer> {
    const known = loaded.get(id)
    if (known) return known
    const loading = readIssuer(container, id)
    loaded.set(id, loading)
    // A document that is none stays so until it changes: a flood of its tokens does not read it again.
    loading.catch(error => {
      if (error.reason !== 'issuer_unreadable' && loaded.get(id) === loading) loaded.delete(id)
    })
    return loading
  }

  return {
    ready: () => follower.ensureFresh(),
    async find(issuerUrl, keyId) {
      await follower.ensureFresh()
      const ids = index.idsOf(issuerUrl)
      if (ids.length === 0) throw refuse('issuer_unknown', explainUnknownIssuer(issuerUrl, index.similarTo(issuerUrl)))
      const found = (await Promise.all(ids.map(load))).filter(({ issuer }) => issuer.enabled)
      if (found.length === 0) throw refuse('issuer_disabled', notAcceptable)
      const chosen = found.length === 1 ? found[0] : chooseByKey(found, keyId)
      if (!chosen) throw refuse('issuer_ambiguous', notAcceptable)
      return chosen
    },
  }
}

const notAcceptable = 'the issuer of the token is not acceptable'

async function readIssuer(container: Container, id: string): Promise<FoundIssuer> {
  const { resource } = await askCosmos('documents_unavailable', () => container.item(id, id).read<Document>())
  const parsed = issuerDocument.safeParse(withoutSystemProperties(resource ?? {}))
  if (!parsed.success) {
    throw unavailable('issuer_unreadable', { detail: { issuer: id, problem: describeProblems(parsed.error)[0] ?? '' } })
  }
  return { issuer: parsed.data, version: String(resource?.['_etag']) }
}

function refuse(reason: 'issuer_unknown' | 'issuer_ambiguous' | 'issuer_disabled', description: string): ExchangeError {
  return new ExchangeError('invalid_request', reason, { description })
}
