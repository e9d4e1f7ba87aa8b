import { looseSpelling } from './issuer-mistakes.ts'

/** An issuer as the index knows it: enough to refuse a token without any I/O. */
export interface IndexedIssuer {
  readonly id: string
  readonly issuerUrl: string
}

/** The registered issuers by URL: in memory, whole. */
export interface IssuerIndex {
  put(issuer: IndexedIssuer): void
  remove(id: string): void
  /** The ids of the issuers of exactly this URL. */
  idsOf(issuerUrl: string): readonly string[]
  /** A registered URL that is spelled almost like this one: to explain by, never to decide by. */
  similarTo(issuerUrl: string): string | undefined
}

export function issuerIndex(): IssuerIndex {
  const urls = new Map<string, string>()
  const byUrl = groups()
  const bySpelling = groups()

  function remove(id: string): void {
    const issuerUrl = urls.get(id)
    if (issuerUrl === undefined) return
    urls.delete(id)
    byUrl.remove(issuerUrl, id)
    if (byUrl.of(issuerUrl).length === 0) bySpelling.remove(looseSpelling(issuerUrl), issuerUrl)
  }

  return {
    put({ id, issuerUrl }) {
      remove(id)
      urls.set(id, issuerUrl)
      byUrl.add(issuerUrl, id)
      bySpelling.add(looseSpelling(issuerUrl), issuerUrl)
    },
    remove,
    idsOf: byUrl.of,
    similarTo: issuerUrl => bySpelling.of(looseSpelling(issuerUrl)).find(other => other !== issuerUrl),
  }
}

/** Names in groups; a group without names is gone. */
function groups() {
  const members = new Map<string, Set<string>>()
  return {
    of: (group: string): readonly string[] => [...(members.get(group) ?? [])],
    add(group: string, name: string): void {
      members.set(group, (members.get(group) ?? new Set()).add(name))
    },
    remove(group: string, name: string): void {
      const names = members.get(group)
      names?.delete(name)
      if (names?.size === 0) members.delete(group)
    },
  }
}
