import { describe, expect, test } from 'vitest'
import { ExchangeError } from '../shared/errors.ts'
import { parseExchangeRequest } from '../shared/exchange-request.ts'

const types = 'urn:ietf:params:oauth:token-type:'
const complete = {
  grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
  subject_token: 'a.b.c',
  subject_token_type: `${types}jwt`,
  audience: 'orders-db',
}

type Form = Readonly<Record<string, string | readonly string[] | undefined>>

function form(changed: Form): string {
  const pairs = Object.entries({ ...complete, ...changed }).flatMap(([name, value]) =>
    value === undefined ? [] : [value].flat().map((one): [string, string] => [name, one]),
  )
  return new URLSearchParams(pairs).toString()
}

const parsed = (changed: Form = {}) => parseExchangeRequest(form(changed))

function failureOf(text: string): ExchangeError {
  try {
    parseExchangeRequest(text)
  } catch (error) {
    if (error instanceof ExchangeError) return error
    throw error
  }
  throw new Error('expected the form to be refused')
}

describe('a form', () => {
  test('that is complete is parsed once, into what the route needs', () => {
    expect(parsed()).toEqual({
      subjectToken: 'a.b.c',
      actorToken: undefined,
      target: { id: 'orders-db' },
      scopes: [],
      requestedTokenType: undefined,
    })
  })

  test.each<[string, Form, object]>([
    [
      'a resource in place of an audience',
      { audience: undefined, resource: 'https://x.example/y' },
      { target: { uri: 'https://x.example/y' } },
    ],
    ['scopes, each once', { scope: 'read  write read' }, { scopes: ['read', 'write'] }],
    ['scopes in any order, which is the same request', { scope: 'write read' }, { scopes: ['read', 'write'] }],
    ['a requested type', { requested_token_type: 'urn:x' }, { requestedTokenType: 'urn:x' }],
    ['the type that fits all', { requested_token_type: `${types}access_token` }, { requestedTokenType: undefined }],
    ['a subject token that is an id token', { subject_token_type: `${types}id_token` }, { subjectToken: 'a.b.c' }],
    ['a subject token that is an access token', { subject_token_type: `${types}access_token` }, {}],
    [
      'who acts',
      { actor_token: 'd.e.f', actor_token_type: `${types}access_token` },
      { subjectToken: 'a.b.c', actorToken: 'd.e.f' },
    ],
    ['parameters that nobody knows', { foo: ['1', '2'], constructor: 'x', __proto__: 'y' }, {}],
    ['empty parameters, which count as absent', { scope: '', resource: '', actor_token: '' }, { scopes: [] }],
  ])('may say %s', (_, changed, expected) => {
    expect(parsed(changed)).toMatchObject(expected)
  })

  test.each<[string, Form, string, string]>([
    ['no grant type', { grant_type: undefined }, 'invalid_request', 'malformed_request'],
    ['another grant type', { grant_type: 'password' }, 'unsupported_grant_type', 'unsupported_grant_type'],
    [
      'another grant type and nothing else',
      { grant_type: 'password', audience: undefined },
      'unsupported_grant_type',
      'unsupported_grant_type',
    ],
    ['no subject token', { subject_token: undefined }, 'invalid_request', 'malformed_request'],
    ['an empty subject token', { subject_token: '' }, 'invalid_request', 'malformed_request'],
    ['no subject token type', { subject_token_type: undefined }, 'invalid_request', 'malformed_request'],
    ['a SAML subject token', { subject_token_type: `${types}saml2` }, 'invalid_request', 'malformed_request'],
    ['a repeated subject token', { subject_token: ['a.b.c', 'd.e.f'] }, 'invalid_request', 'malformed_request'],
    ['a repeated scope', { scope: ['read', 'write'] }, 'invalid_request', 'malformed_request'],
    [
      'a repeated grant type',
      { grant_type: [complete.grant_type, complete.grant_type] },
      'invalid_request',
      'malformed_request',
    ],
    ['an actor whose type is not said', { actor_token: 'a.b.c' }, 'invalid_request', 'malformed_request'],
    ["an actor's type without one", { actor_token_type: `${types}jwt` }, 'invalid_request', 'malformed_request'],
    [
      'an actor of another type',
      { actor_token: 'a.b.c', actor_token_type: `${types}saml2` },
      'invalid_request',
      'malformed_request',
    ],
    [
      'two actors',
      { actor_token: ['a.b.c', 'd.e.f'], actor_token_type: `${types}jwt` },
      'invalid_request',
      'malformed_request',
    ],
    ['an audience of 257 characters', { audience: 'a'.repeat(257) }, 'invalid_request', 'malformed_request'],
    ['a scope of 1,025 characters', { scope: 'a'.repeat(1_025) }, 'invalid_request', 'malformed_request'],
    ['no target', { audience: undefined }, 'invalid_target', 'malformed_request'],
    ['two audiences', { audience: ['a', 'b'] }, 'invalid_target', 'malformed_request'],
    ['an audience and a resource', { resource: 'https://x.example' }, 'invalid_target', 'malformed_request'],
    ['a relative resource', { audience: undefined, resource: '/y' }, 'invalid_target', 'malformed_request'],
    [
      'a resource with a fragment',
      { audience: undefined, resource: 'https://x.example#y' },
      'invalid_target',
      'malformed_request',
    ],
    ['a scope of 65 characters', { scope: 'a'.repeat(65) }, 'invalid_scope', 'scope_unknown'],
    ['a scope with a quotation mark', { scope: 'a"b' }, 'invalid_scope', 'scope_unknown'],
    ['33 scopes', { scope: Array.from({ length: 33 }, (_, i) => `s${i}`).join(' ') }, 'invalid_scope', 'scope_unknown'],
    ['33 parameters', { foo: Array.from({ length: 29 }, () => '1') }, 'invalid_request', 'malformed_request'],
  ])('is refused for %s', (_, changed, code, reason) => {
    expect(failureOf(form(changed))).toMatchObject({ code, reason })
  })

  test.each(['', '{}', '{"grant_type":"x"}', '%', '&&&=', '\u0000'])('that is none is refused: %j', text => {
    expect(failureOf(text).code).toBe('invalid_request')
  })

  test('of 32 parameters is not too much', () => {
    expect(parsed({ foo: Array.from({ length: 28 }, () => '1') }).target).toEqual({ id: 'orders-db' })
  })

  test('that is refused is told by name, and never by value', () => {
    for (const name of Object.keys(complete)) {
      const { description = '' } = failureOf(form({ [name]: ['hunter2', 'hunter2'] }))
      expect(description).not.toBe('')
      expect(description).not.toContain('hunter2')
    }
  })
})
