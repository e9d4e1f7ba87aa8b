import { z } from 'zod'
import { scopeName } from './document.ts'
import { ExchangeError } from './errors.ts'
import { malformedForm, readParameters } from './form.ts'

/** What a form asks for, parsed once. */
export interface ExchangeRequest {
  readonly subjectToken: string
  readonly actorToken: string | undefined
  readonly target: { readonly id: string } | { readonly uri: string }
  /** Empty where the form names none: then the target's default scopes. */
  readonly scopes: readonly string[]
  /** Undefined where any type fits. */
  readonly requestedTokenType: string | undefined
}

const tokenExchange = 'urn:ietf:params:oauth:grant-type:token-exchange'
const tokenTypes = 'urn:ietf:params:oauth:token-type:'
/** A Kubernetes token is a `jwt`; the others are what clients send that know no better (RFC 8693 section 3). */
const tokenTypesTaken = ['jwt', 'id_token', 'access_token'].map(name => tokenTypes + name)

/** A form's parameters, each at most once but for `audience` and `resource` (RFC 8693 section 2.1). */
const parameters = z.object({
  grant_type: z.string(),
  subject_token: z.string(),
  subject_token_type: z.enum(tokenTypesTaken),
  audience: z.array(z.string().max(256)),
  resource: z.array(z.string().max(512)),
  scope: z.string().max(1_024).optional(),
  requested_token_type: z.string().max(256).optional(),
  actor_token: z.string().optional(),
  actor_token_type: z.enum(tokenTypesTaken).optional(),
})

const repeatable = ['audience', 'resource']

/**
 * Parses the form of a token exchange request (RFC 8693 section 2.1). Throws `invalid_request`, `unsupported_grant_type`, `invalid_target` or `invalid_scope`.
 */
export function parseExchangeRequest(form: string): ExchangeRequest {
  const given = readParameters(form, parameters.shape, repeatable)
  if (given['grant_type'] !== undefined && given['grant_type'] !== tokenExchange) {
    throw new ExchangeError('unsupported_grant_type', 'unsupported_grant_type', {
      description: `expected grant_type ${tokenExchange}`,
    })
  }
  const parsed = parameters.safeParse(given)
  if (!parsed.success) throw malformedForm(`${String(parsed.error.issues[0]?.path[0])} is missing or not acceptable`)
  const { subject_token, actor_token, actor_token_type, audience, resource, scope } = parsed.data
  // RFC 8693 section 2.1: the one is required with the other, and must not come without it.
  if ((actor_token === undefined) !== (actor_token_type === undefined)) {
    throw malformedForm('actor_token and actor_token_type: expected both or neither')
  }
  const { requested_token_type } = parsed.data
  return {
    subjectToken: subject_token,
    actorToken: actor_token,
    target: targetOf(audience, resource),
    scopes: scopesOf(scope),
    requestedTokenType: requested_token_type === `${tokenTypes}access_token` ? undefined : requested_token_type,
  }
}

/** One target, by id or by URI: several are too many (RFC 8693 section 2.2.2). */
function targetOf(audience: readonly string[], resource: readonly string[]): ExchangeRequest['target'] {
  const [id] = audience
  const [uri] = resource
  if (audience.length + resource.length > 1) throw invalidTarget('name one target, by audience or by resource')
  if (id !== undefined) return { id }
  if (uri === undefined) throw invalidTarget('name the target, by audience or by resource')
  // RFC 8707 section 2.
  if (!URL.canParse(uri) || uri.includes('#')) throw invalidTarget('resource: expected an absolute URI, no fragment')
  return { uri }
}

function scopesOf(scope: string | undefined): readonly string[] {
  if (scope === undefined) return []
  // Sorted: the same scopes in another order are the same request, and the same account.
  const scopes = [...new Set(scope.split(' ').filter(name => name !== ''))].sort()
  if (scopes.length > 32 || !scopes.every(name => scopeName.safeParse(name).success)) {
    throw new ExchangeError('invalid_scope', 'scope_unknown', { description: 'scope: expected at most 32 scope names' })
  }
  return scopes
}

function invalidTarget(description: string): ExchangeError {
  return new ExchangeError('invalid_target', 'malformed_request', { description })
}
