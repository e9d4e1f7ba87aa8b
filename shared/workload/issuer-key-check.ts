import { X509Certificate } from 'node:crypto'
import { z } from 'zod'
import type { Issuer } from './issuer.ts'
import { algorithmOf, countsFor } from './issuer-key.ts'

/** One thing that a check of an issuer looked at, in words for operators. */
export interface IssuerStep {
  readonly step: string
  /** Null where it cannot be told. */
  readonly ok: boolean | null
  readonly expected: string
  readonly found: string
}

/** A key as it is published, as far as a check looks at it. */
const published = z.object({
  keys: z
    .array(
      z.object({
        kty: z.string().max(64),
        kid: z.string().max(256).optional(),
        alg: z.string().max(64).optional(),
        use: z.string().max(64).optional(),
        crv: z.string().max(64).optional(),
        x5c: z.array(z.string()).optional(),
        issuer: z.unknown().optional(),
      }),
    )
    .max(50),
})
type PublishedKey = z.output<typeof published>['keys'][number]

const shown = 10

/** What keys are published, which of them count for the issuer, and how old they are. */
export function keySteps(document: unknown, issuer: Issuer): readonly IssuerStep[] {
  const parsed = published.safeParse(document)
  const expected = 'a key set of 50 keys at most'
  if (!parsed.success) return [{ step: 'keys', ok: false, expected, found: 'it is none' }]
  const { keys } = parsed.data
  return [
    { step: 'keys', ok: keys.length > 0, expected, found: `${keys.length} keys: ${idsOf(keys)}` },
    algorithmStep(keys, issuer),
    ...duplicateSteps(keys),
    ...ageSteps(keys),
  ]
}

function idsOf(keys: readonly PublishedKey[]): string {
  const more = keys.length > shown ? `, and ${keys.length - shown} more` : ''
  return keys
    .slice(0, shown)
    .map(({ kid }) => kid ?? '(without an id)')
    .join(', ')
    .concat(more)
}

/** By the code that reads keys for the exchange. */
function algorithmStep(keys: readonly PublishedKey[], issuer: Issuer): IssuerStep {
  const counting = keys.filter(key => countsFor(issuer, key))
  const algorithms = [...new Set(keys.map(key => algorithmOf(key) ?? 'unknown'))].join(', ')
  return {
    step: 'algorithms',
    ok: counting.length > 0,
    expected: `signing keys of ${issuer.algorithms.join(', ')}`,
    found: `${counting.length} of ${keys.length} count; the algorithms of all are ${algorithms || 'none'}`,
  }
}

function duplicateSteps(keys: readonly PublishedKey[]): readonly IssuerStep[] {
  const ids = keys.flatMap(({ kid }) => kid ?? [])
  const twice = ids.find((id, at) => ids.indexOf(id) !== at)
  if (twice === undefined) return []
  const expected = 'ids that are different: two keys of one id make the whole set unacceptable'
  return [{ step: 'key-ids', ok: false, expected, found: `"${twice}" is there twice` }]
}

/** A JWK has no date. A certificate that goes with it does. */
function ageSteps(keys: readonly PublishedKey[]): readonly IssuerStep[] {
  const dated = keys.flatMap(({ kid = '', x5c }) => {
    const [first] = x5c ?? []
    const since = first === undefined ? undefined : dateOf(first)
    return since === undefined ? [] : [`${kid} since ${since.slice(0, 10)}`]
  })
  if (dated.length === 0) return []
  const expected = 'keys that are rotated now and then'
  return [{ step: 'key-age', ok: null, expected, found: dated.slice(0, shown).join(', ') }]
}

function dateOf(certificate: string): string | undefined {
  try {
    return new Date(new X509Certificate(Buffer.from(certificate, 'base64')).validFrom).toISOString()
  } catch {
    return undefined
  }
}
