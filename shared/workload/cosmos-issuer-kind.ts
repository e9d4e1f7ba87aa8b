import type { Container } from '@azure/cosmos'
import { askCosmos } from '../cosmos-error.ts'
import type { SecretReference } from '../credentials/secret-reference.ts'
import { type Problem, problemsIn, tombstone, withoutSystemProperties } from '../document.ts'
import type { DocumentKind } from '../document-kind.ts'
import { type Issuer, issuerDocument } from './issuer.ts'
import { chooseByKey } from './shared-issuer-url.ts'

export interface IssuerKindOptions {
  readonly issuers: Container
  /** Why no document may name a secret; undefined where it may. */
  readonly problemOfSecret: (secret: SecretReference) => string | undefined
}

/** Issuers: checked by the code that reads them; two of one URL only where their keys tell them apart. */
export function issuerKind({ issuers, problemOfSecret }: IssuerKindOptions): DocumentKind {
  return {
    container: 'issuers',
    async check(document, name) {
      const parsed = issuerDocument.safeParse(document, { reportInput: true })
      if (!parsed.success) return problemsIn(parsed.error)
      const issuer = parsed.data
      if (issuer.id !== name.id) return [{ path: ['id'], detail: 'expected what the URL says' }]
      const problems: Problem[] = []
      const others = (await issuersOfUrl(issuers, issuer.issuerUrl)).filter(({ id }) => id !== issuer.id)
      const all = [...others, issuer].filter(({ enabled }) => enabled).map(one => ({ issuer: one, version: '' }))
      if (all.length > 1 && !isToldApart(all)) {
        const detail = `"${others[0]?.id}" has it too: both need inline keys, disjoint in id and in key`
        problems.push({ path: ['issuerUrl'], detail })
      }
      for (const [at, actor] of (issuer.actors ?? []).entries()) {
        if (await isRegistered(issuers, actor.issuer)) continue
        problems.push({ path: ['actors', at, 'issuer'], detail: `there is no issuer "${actor.issuer}"` })
      }
      const secret = issuer.tokenReview?.credential
      const ofSecret = secret && problemOfSecret(secret)
      if (ofSecret !== undefined) problems.push({ path: ['tokenReview', 'credential'], detail: ofSecret })
      return problems
    },
  }
}

type Document = Readonly<Record<string, unknown>>

async function issuersOfUrl(issuers: Container, issuerUrl: string): Promise<readonly Issuer[]> {
  const parameters = [{ name: '@url', value: issuerUrl }]
  const query = issuers.items.query<Document>({ query: 'SELECT * FROM c WHERE c.issuerUrl = @url', parameters })
  const { resources } = await askCosmos('documents_unavailable', () => query.fetchAll())
  return resources.flatMap(document => issuerDocument.safeParse(withoutSystemProperties(document)).data ?? [])
}

async function isRegistered(issuers: Container, id: string): Promise<boolean> {
  const { resource } = await askCosmos('documents_unavailable', () => issuers.item(id, id).read<Document>())
  return resource !== undefined && !tombstone.safeParse(resource).success
}

/** Where a key of each finds it and no other. */
function isToldApart(issuers: Parameters<typeof chooseByKey>[0]): boolean {
  return issuers.every(found => {
    const { keys } = found.issuer
    const [first] = 'jwks' in keys ? keys.jwks.keys : []
    return first !== undefined && chooseByKey(issuers, first.kid) === found
  })
}
