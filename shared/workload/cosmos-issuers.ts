import type { Container } from '@azure/cosmos'
import { z } from 'zod'
import { askCosmos } from '../cosmos-error.ts'
import type { Follower } from '../cosmos-follower.ts'
import { describeProblems, withoutSystemProperties } from '../document.ts'
import { ExchangeError, unavailable } from '../errors.ts'
import { type Issuer, issuerDocument } from './issuer.ts'
import type { Issuers } from './verify-token.ts'

type Document = Readonly<Record<string, unknown>>
type Found = { readonly issuer: Issuer; readonly version: string }

const indexed = z.object({ id: z.string(), issuerUrl: z.string(), _etag: z.string() })

/** Hands over every issuer document, and later each that changed. */
export type FollowIssuers = (onChange: (document: Document) => void) => Follower

/**
 * The snapshot of registered issuers: an index of `issuerUrl` to id and version in memory, kept in step by the change
 * feed, so that a token of an unknown issuer costs no I/O. A whole document is read on first use and again when its
 * version changed.
 */
export function cosmosIssuers(container: Container, follow: FollowIssuers): Issuers & { ready(): Promise<void> } {
  const idsByUrl = new Map<string, Set<string>>()
  const entries = new Map<string, { readonly issuerUrl: string; readonly version: string }>()
  const loaded = new Map<string, Promise<Found>>()

  function index(document: Document): void {
    const id = String(document['id'])
    forget(id)
    const entry = indexed.safeParse(document)
    // A tombstone has no issuerUrl: the issuer stops counting here.
    if (!entry.success) return
    const { issuerUrl, _etag: version } = entry.data
    entries.set(id, { issuerUrl, version })
    idsByUrl.set(issuerUrl, (idsByUrl.get(issuerUrl) ?? new Set()).add(id))
  }

  function forget(id: string): void {
    const previous = entries.get(id)
    loaded.delete(id)
    if (!previous) return
    entries.delete(id)
    const ids = idsByUrl.get(previous.issuerUrl)
    ids?.delete(id)
    if (ids?.size === 0) idsByUrl.delete(previous.issuerUrl)
  }

  function load(id: string): Promise<Found> {
    const known = loaded.get(id)
    if (known) return known
    const loading = readIssuer(container, id)
    loaded.set(id, loading)
    loading.catch(() => loaded.get(id) === loading && loaded.delete(id))
    return loading
  }

  const follower = follow(index)
  return {
    ready: () => follower.ensureFresh(),
    async find(issuerUrl) {
      await follower.ensureFresh()
      const [id, another] = idsByUrl.get(issuerUrl) ?? []
      if (id === undefined) throw refuse('issuer_unknown', closestMistake(issuerUrl, idsByUrl))
      if (another !== undefined) throw refuse('issuer_ambiguous', 'the issuer of the token is not acceptable')
      const found = await load(id)
      if (!found.issuer.enabled) throw refuse('issuer_disabled', 'the issuer of the token is not acceptable')
      return found
    },
  }
}

async function readIssuer(container: Container, id: string): Promise<Found> {
  const { resource } = await askCosmos('documents_unavailable', () => container.item(id, id).read<Document>())
  const parsed = issuerDocument.safeParse(withoutSystemProperties(resource ?? {}))
  if (!parsed.success) {
    throw unavailable('issuer_unreadable', { detail: { issuer: id, problem: describeProblems(parsed.error)[0] ?? '' } })
  }
  return { issuer: parsed.data, version: String(resource?.['_etag']) }
}

/** The classic mistake, a slash more or less, is worth a word: the comparison stays exact. */
function closestMistake(issuerUrl: string, registered: ReadonlyMap<string, unknown>): string {
  const other = issuerUrl.endsWith('/') ? issuerUrl.slice(0, -1) : `${issuerUrl}/`
  return registered.has(other)
    ? "the token's issuer is not registered; one that differs by the trailing slash is"
    : "the token's issuer is not registered"
}

function refuse(reason: 'issuer_unknown' | 'issuer_ambiguous' | 'issuer_disabled', description: string): ExchangeError {
  return new ExchangeError('invalid_request', reason, { description })
}
