import { z } from 'zod'
import { ExchangeError } from '../errors.ts'
import { isLegacyToken } from './issuer-mistakes.ts'

/** A token of more than this many characters is refused before anything is computed. */
const maxTokenLength = 16_384

const compactForm = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/

/**
 * A header that names its own key (`jwk`, `jku`, `x5u`, `x5c`) is an attack or a mistake, and `crit` means extensions
 * that nobody here implements (RFC 7515 sections 4.1.2 to 4.1.11).
 */
const tokenHeader = z.object({
  alg: z.string().max(16),
  kid: z.string().min(1).max(256),
  typ: z.literal('JWT').optional(),
  jwk: z.undefined().optional(),
  jku: z.undefined().optional(),
  x5u: z.undefined().optional(),
  x5c: z.undefined().optional(),
  crit: z.undefined().optional(),
  b64: z.undefined().optional(),
  enc: z.undefined().optional(),
  zip: z.undefined().optional(),
})

/** The registered claims that every subject token has (RFC 7519 section 4.1). */
const registeredClaims = z.object({
  iss: z.string().min(1).max(512),
  // Not mended where it is ill-formed: that would make two subjects one.
  sub: z
    .string()
    .min(1)
    .max(512)
    .refine(text => text.isWellFormed()),
  aud: z.union([z.string().max(256), z.array(z.string().max(256)).min(1).max(8)]).transform(aud => [aud].flat()),
  exp: z.number().int(),
  iat: z.number().int(),
  nbf: z.number().int().optional(),
})

/** A token that has the right shape. Nothing in it is to be believed before its signature is verified. */
export interface UnverifiedToken {
  readonly text: string
  readonly header: z.output<typeof tokenHeader>
  readonly claims: z.output<typeof registeredClaims>
  /** All claims as they came. Read with `Object.hasOwn`: a claim may be called `__proto__`. */
  readonly payload: unknown
}

/**
 * Reads a JWS in compact form (RFC 7515 section 7.1). Anything else (JWE, JSON form, characters outside base64url) is
 * refused. Throws `invalid_request`.
 */
export function readCompactToken(text: string): UnverifiedToken {
  if (text.length > maxTokenLength || !compactForm.test(text)) {
    throw refuse('token_malformed', 'the token is not a signed JWT in compact form')
  }
  const parts = text.split('.')
  if (!parts.every(isCanonical)) throw refuse('token_malformed', 'the token is not a signed JWT in compact form')
  const [header = '', payload = ''] = parts
  const parsedHeader = tokenHeader.safeParse(decodePart(header))
  if (!parsedHeader.success) {
    throw refuse('token_header', `the token's header is not acceptable: ${firstPath(parsedHeader.error)}`)
  }
  const decoded = decodePart(payload)
  const claims = registeredClaims.safeParse(decoded)
  if (!claims.success) {
    if (isLegacyToken(decoded))
      throw refuse('token_unbound', 'the token is a legacy one from a Secret: project a bound one')
    throw refuse('token_claims', `the token's claims are not acceptable: ${firstPath(claims.error)}`)
  }
  return { text, header: parsedHeader.data, claims: claims.data, payload: decoded }
}

/** The last character may hold bits that no byte is made of: with others in them, one token would have many spellings. */
function isCanonical(part: string): boolean {
  return Buffer.from(part, 'base64url').toString('base64url') === part
}

function decodePart(part: string): unknown {
  try {
    return JSON.parse(Buffer.from(part, 'base64url').toString('utf8'))
  } catch (cause) {
    throw refuse('token_malformed', 'the token is not a signed JWT in compact form', cause)
  }
}

/** Only names of registered members: text from the token itself is not repeated. */
function firstPath(error: z.ZodError): string {
  return error.issues[0]?.path.join('.') || 'not an object'
}

function refuse(
  reason: 'token_malformed' | 'token_header' | 'token_claims' | 'token_unbound',
  description: string,
  cause?: unknown,
): ExchangeError {
  return new ExchangeError('invalid_request', reason, { description, cause })
}
