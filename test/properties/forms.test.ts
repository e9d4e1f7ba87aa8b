import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ExchangeError } from '../../shared/errors.ts'
import { parseExchangeRequest } from '../../shared/exchange-request.ts'
import { giveBack } from '../../shared/give-back.ts'

/** Runs of each property. The seed is fixed; a failure prints it with the path to the smallest case. */
const runs = { numRuns: 2_000, seed: 8693 }

const jwt = 'urn:ietf:params:oauth:token-type:jwt'
const complete = {
  grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
  subject_token: 'a.b.c',
  subject_token_type: jwt,
  audience: 'orders-db',
}
const exchangeNames = [
  ...Object.keys(complete),
  'resource',
  'scope',
  'requested_token_type',
  'actor_token',
  'actor_token_type',
]
const revocation = {
  token: 'lease-1',
  client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
  client_assertion: 'a.b.c',
}
const revocationNames = [...Object.keys(revocation), 'actor_token']

const text = fc.string({ unit: 'binary', maxLength: 40 })
/** A name as it is, or with every character escaped: both are the same name. */
const spelled = (name: string) =>
  fc.constantFrom(name, [...name].map(letter => `%${letter.charCodeAt(0).toString(16)}`).join(''))

/** A form: text of any kind, or parameters of names that are known and others. */
const form = (names: readonly string[]) =>
  fc.oneof(
    fc.string({ unit: 'binary', maxLength: 400 }),
    fc
      .array(fc.constantFrom('&', '=', '%', '+', ';', '%zz', '%00', '%ff', '\0', ...names), { maxLength: 60 })
      .map(join),
    fc
      .array(fc.tuple(fc.oneof(fc.constantFrom(...names), text), text), { maxLength: 40 })
      .map(pairs => new URLSearchParams(pairs).toString()),
  )
const join = (parts: readonly string[]) => parts.join('')

/** What a form comes to: undefined where it is taken. */
function refusalOf(work: () => unknown): ExchangeError | undefined {
  try {
    work()
    return undefined
  } catch (error) {
    if (error instanceof ExchangeError) return error
    throw error
  }
}

/** Reaches no further than its form: whoever is verified is nobody. */
async function revoke(body: string): Promise<ExchangeError> {
  const counted: string[] = []
  const unreachable = () => Promise.reject(new Error('a step after the form'))
  const steps = {
    identify: () => Promise.reject(new ExchangeError('invalid_request', 'token_malformed')),
    takeRate: () => {},
    count: (_: string, { reason }: ExchangeError) => void counted.push(reason),
    decisions: { write: unreachable },
    clientOf: () => ({ provenance: 'unknown' as const }),
    leases: {
      hold: unreachable,
      activate: unreachable,
      abandon: unreachable,
      findHeld: unreachable,
      release: unreachable,
    },
  }
  const error = await giveBack(
    { form: body, decision: 'decision-1', client: { peer: undefined, forwarded: undefined } },
    steps,
  ).catch((thrown: unknown) => thrown)
  if (error instanceof ExchangeError) {
    expect(counted).toEqual([error.reason])
    return error
  }
  throw new Error('taken, or a bug', { cause: error })
}

const codes = ['invalid_request', 'invalid_target', 'invalid_scope', 'unsupported_grant_type']

describe('the form of an exchange', () => {
  test('is parsed or refused as the mistake of a caller, whatever its text', () => {
    fc.assert(
      fc.property(form(exchangeNames), body => {
        const error = refusalOf(() => parseExchangeRequest(body))
        if (error) expect(codes).toContain(error.code)
      }),
      runs,
    )
  })

  test('with anything added is parsed into one target and sorted scopes, or refused', () => {
    fc.assert(
      fc.property(form(exchangeNames), added => {
        const body = `${new URLSearchParams(complete)}&${added}`
        let parsed: ReturnType<typeof parseExchangeRequest> | undefined
        const error = refusalOf(() => {
          parsed = parseExchangeRequest(body)
        })
        if (error) {
          expect(codes).toContain(error.code)
          return
        }
        expect(parsed).toMatchObject({ subjectToken: 'a.b.c', target: { id: 'orders-db' } })
        expect(parsed?.scopes).toEqual([...new Set(parsed?.scopes)].sort())
      }),
      runs,
    )
  })

  test('that is complete but for one value of any text is parsed or refused', () => {
    const value = fc.oneof(text, fc.webUrl({ withFragments: true, withQueryParameters: true }), fc.constant('https:'))
    fc.assert(
      fc.property(fc.constantFrom(...exchangeNames), value, (name, given) => {
        const { audience, ...others } = complete
        const target = name === 'resource' ? {} : { audience }
        const actor = name.startsWith('actor_') ? { actor_token: 'd.e.f', actor_token_type: jwt } : {}
        const body = new URLSearchParams({ ...others, ...target, ...actor, [name]: given }).toString()
        const error = refusalOf(() => parseExchangeRequest(body))
        if (error) expect(codes).toContain(error.code)
      }),
      runs,
    )
  })

  test('that repeats a parameter is never taken, wherever and however it is spelled', () => {
    const repeated = fc
      .constantFrom(...exchangeNames)
      .chain(name => fc.tuple(fc.constant(name), spelled(name), fc.nat(5)))
    fc.assert(
      fc.property(repeated, text, ([name, spelling, place], other) => {
        const valued = Object.entries({ ...complete, [name]: acceptableValue(name) })
        const pairs = valued.map(pair => new URLSearchParams([pair]).toString())
        const again = `${spelling}=${encodeURIComponent((other || 'x').toWellFormed())}`
        pairs.splice(Math.min(place, pairs.length), 0, again)
        const error = refusalOf(() => parseExchangeRequest(pairs.join('&')))
        if (!error) throw new Error('taken')
        // A second grant_type may come first, and be refused as one.
        expect(['invalid_request', 'invalid_target']).toContain(error.code)
        expect(error.reason).toBe('malformed_request')
      }),
      runs,
    )
  })
})

describe('the form of a revocation', () => {
  test('goes no further than who asks, whatever its text', () =>
    fc.assert(
      fc.asyncProperty(form(revocationNames), async body => {
        expect(['invalid_request', 'invalid_client']).toContain((await revoke(body)).code)
      }),
      runs,
    ))

  test('that repeats a parameter is never taken', () =>
    fc.assert(
      fc.asyncProperty(fc.constantFrom(...revocationNames).chain(spelled), text, async (spelling, other) => {
        const valued = new URLSearchParams({ ...revocation, actor_token: 'd.e.f' })
        const error = await revoke(`${valued}&${spelling}=${encodeURIComponent((other || 'x').toWellFormed())}`)
        expect(error.reason).toBe('malformed_request')
      }),
      runs,
    ))

  test('that is complete is taken', async () => {
    expect((await revoke(new URLSearchParams(revocation).toString())).reason).toBe('token_malformed')
  })
})

/** A value with which the parameter alone would be taken. */
function acceptableValue(name: string): string {
  const values: Readonly<Record<string, string>> = {
    ...complete,
    resource: 'https://orders.example',
    scope: 'read',
    requested_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    actor_token: 'd.e.f',
    actor_token_type: jwt,
  }
  return values[name] ?? ''
}
