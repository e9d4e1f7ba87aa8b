import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { SourceProvider } from '../../shared/credentials/credential-provider.ts'
import { problemText } from '../../shared/document.ts'
import { parseTarget } from '../../shared/targets/target.ts'

const provider: SourceProvider<unknown, unknown> = {
  kind: 'static',
  issues: 'existing',
  settings: z.strictObject({ host: z.string(), port: z.int().default(21) }),
  scope: z.strictObject({ secret: z.string() }),
  tokenType: 'urn:causeway:token-type:secret',
  open: () => ({ read: () => Promise.reject(new Error('a document is checked without reading anything')) }),
}

const document = {
  schema: 1,
  id: 'mainframe',
  provider: 'static',
  settings: { host: 'mainframe.corp.example' },
  scopes: { login: { secret: 'mainframe-ftp' } },
}

function parsed(changed: object) {
  return parseTarget({ ...document, ...changed }, kind => (kind === 'static' ? provider : undefined))
}

describe('a target document', () => {
  test('says the least and gets the documented defaults, those of its provider too', () => {
    expect(parsed({})).toEqual({
      provider,
      target: {
        account: {
          name: 'cw_{deployment}_{lease}',
          password: { length: 32, alphabet: expect.stringMatching(/^\w{62}$/) },
        },
        budgets: {},
        schema: 1,
        id: 'mainframe',
        labels: {},
        provider: 'static',
        settings: { host: 'mainframe.corp.example', port: 21 },
        scopes: { login: { secret: 'mainframe-ftp' } },
        defaultScopes: [],
        defaultTtl: 900_000,
        maxTtl: 3_600_000,
        onExpiry: 'end-sessions',
        tokenType: 'N_A',
        enabled: true,
        requireApproval: false,
        issuedTokenType: 'urn:causeway:token-type:secret',
      },
    })
  })

  test.each<[string, object, string]>([
    ['another schema', { schema: 2 }, 'schema: Invalid input: expected 1'],
    ['an id with a slash', { id: 'a/b' }, 'id: expected lower-case letters, digits and dashes, 63 at most'],
    ['a uri that is none', { uri: 'mainframe' }, 'uri: Invalid URL'],
    ['an unknown provider', { provider: 'oracle' }, 'provider: no provider is called "oracle"'],
    ['no scopes', { scopes: {} }, 'scopes: expected 1 to 32 scopes'],
    ['a scope that is no OAuth scope', { scopes: { 'a b': {} } }, 'scopes["a b"]'],
    ['a scope that its provider refuses', { scopes: { login: {} } }, 'scopes.login.secret: Invalid input'],
    ['settings that its provider refuses', { settings: {} }, 'settings.host: Invalid input: expected string'],
    ['a setting that its provider does not know', { settings: { ...document.settings, hots: 'x' } }, 'settings: Unrec'],
    ['a default scope that it lacks', { defaultScopes: ['read'] }, 'defaultScopes: expected scopes of this target'],
    ['a ttl of two days', { maxTtl: 'P2D' }, 'maxTtl: expected an ISO 8601 duration from PT1M to PT24H'],
    ['a ttl that is no text', { defaultTtl: 900 }, 'defaultTtl: Invalid input: expected string'],
    ['a token type of its own', { tokenType: 'bearer' }, 'tokenType: Invalid option: expected one of "N_A"|"Bearer"'],
    ['an end of sessions that nobody knows', { onExpiry: 'drain' }, 'onExpiry: Invalid option'],
    ['a misspelt member', { maxTTL: 'PT1H' }, 'document: Unrecognized key: "maxTTL"'],
    [
      '17 labels',
      { labels: Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`l${i}`, ''])) },
      'labels: expected',
    ],
  ])('is refused for %s, by path and expectation', (_, mistake, problem) => {
    const found = parsed(mistake)
    expect('problems' in found && found.problems.map(problemText)).toContainEqual(expect.stringContaining(problem))
  })

  test.each([undefined, null, 'target', []])('is refused where it is %s', other => {
    expect(parseTarget(other, () => provider)).toHaveProperty('problems')
  })

  test('may not reach an object that every JavaScript object has by the name of a scope', () => {
    expect(parsed({ defaultScopes: ['constructor'] })).toHaveProperty('problems')
  })
})
