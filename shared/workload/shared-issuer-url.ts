import type { Issuer } from './issuer.ts'
import type { FoundIssuer } from './verify-token.ts'

/**
 * Which of several issuers of one URL a token is from: `https://kubernetes.default.svc.cluster.local` is what every
 * unconfigured cluster calls itself. Only where each brings its keys inline, and no two have a key id or a key in
 * common, can the key tell; otherwise undefined, and none of them counts.
 */
export function chooseByKey(issuers: readonly FoundIssuer[], keyId: string): FoundIssuer | undefined {
  const inline = issuers.map(({ issuer }) => inlineKeys(issuer))
  if (inline.some(keys => keys.length === 0)) return undefined
  const marks = inline.flatMap(marksOf)
  if (new Set(marks).size !== marks.length) return undefined
  return issuers[inline.findIndex(keys => keys.some(({ kid }) => kid === keyId))]
}

type InlineKeys = Extract<Issuer['keys'], { jwks: unknown }>['jwks']['keys']

function inlineKeys({ keys }: Issuer): InlineKeys {
  return 'jwks' in keys ? keys.jwks.keys : []
}

/** What no two issuers may share: key ids, and the public numbers under whatever id. */
function marksOf(keys: InlineKeys): readonly string[] {
  return keys.flatMap(({ kid, kty, n, e, crv, x, y }) => [`id ${kid}`, `key ${JSON.stringify([kty, n, e, crv, x, y])}`])
}
