import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { ExchangeError } from '../../shared/errors.ts'
import { issuerKeys } from '../../shared/workload/issuer-keys.ts'
import { tokenVerifier, type VerifyToken } from '../../shared/workload/verify-token.ts'
import { boundClaims, issuerOf, issuerUrl, newSigner, second } from '../workload/tokens.ts'

/** Runs of each property. The seed is fixed; a failure prints it with the path to the smallest case. */
const runs = { numRuns: 1_000, seed: 8725 }

const algorithms = ['RS256', 'ES256'] as const
type Algorithm = (typeof algorithms)[number]

let tokens: Readonly<Record<Algorithm, string>>
/** One that never saw the tokens, and one that has verified them and remembers them. */
let cold: VerifyToken
let warm: VerifyToken

beforeAll(async () => {
  const [rsa, elliptic] = [await newSigner('rsa-1'), await newSigner('ec-1', 'ES256')]
  tokens = { RS256: await rsa.sign(), ES256: await elliptic.sign() }
  const found = { issuer: issuerOf({ keys: { jwks: { keys: [rsa.published, elliptic.published] } } }), version: '"1"' }
  const open = () =>
    tokenVerifier({
      issuers: {
        async find(asked) {
          if (asked !== issuerUrl) throw new ExchangeError('invalid_request', 'issuer_unknown')
          return found
        },
      },
      keys: issuerKeys({ fetchJson: () => Promise.reject(new Error('nothing is fetched')), monotonic: () => 0 }),
      review: async () => {},
      now: () => second * 1000,
    })
  cold = open()
  warm = open()
  for (const token of Object.values(tokens)) await warm(token)
})

const algorithm = fc.constantFrom(...algorithms)

/** Refused as the caller's mistake, whether or not the token that it was made of is remembered. */
async function expectRefused(mutated: string): Promise<void> {
  for (const verify of [cold, warm]) {
    const outcome = await verify(mutated).catch((error: unknown) => error)
    if (!(outcome instanceof ExchangeError)) throw new Error(`accepted, or a bug: ${mutated}`, { cause: outcome })
    expect(outcome.code).toBe('invalid_request')
  }
}

/** That no token made of a valid one by `mutate` is accepted. */
function neverAccepted<T>(arbitrary: fc.Arbitrary<T>, mutate: (token: string, how: T) => string): Promise<void> {
  return fc.assert(
    fc.asyncProperty(algorithm, arbitrary, async (name, how) => {
      const mutated = mutate(tokens[name], how)
      fc.pre(mutated !== tokens[name])
      await expectRefused(mutated)
    }),
    runs,
  )
}

const at = fc.nat(10_000)
const encode = (bytes: Uint8Array | string) => Buffer.from(bytes).toString('base64url')
const decode = (part = '') => Buffer.from(part, 'base64url')

/** Changes one of the three parts. */
function withPart(token: string, index: number, change: (part: string) => string): string {
  return token
    .split('.')
    .map((part, number) => (number === index ? change(part) : part))
    .join('.')
}

/** The members of a header or of claims. */
function membersOf(part: string): Record<string, unknown> {
  return JSON.parse(decode(part).toString('utf8'))
}

test('the tokens that are mutated here are valid', async () => {
  for (const name of algorithms) {
    expect((await warm(tokens[name])).workload.subject).toBe('system:serviceaccount:payments:api')
  }
})

describe('a valid token is accepted no more', () => {
  test('with a bit of its text flipped', () =>
    neverAccepted(fc.tuple(at, fc.nat(7)), (token, [position, bit]) => {
      const index = position % token.length
      const flipped = String.fromCharCode(token.charCodeAt(index) ^ (1 << bit))
      return token.slice(0, index) + flipped + token.slice(index + 1)
    }))

  test('with a bit of a part flipped, and encoded again', () =>
    neverAccepted(fc.tuple(fc.nat(2), at, fc.nat(7)), (token, [index, position, bit]) =>
      withPart(token, index, part => {
        const bytes = decode(part)
        const place = position % bytes.length
        bytes.writeUInt8(bytes.readUInt8(place) ^ (1 << bit), place)
        return encode(bytes)
      }),
    ))

  test('with the last character of a part spelled another way that decodes alike', () =>
    neverAccepted(fc.tuple(fc.nat(2), fc.integer({ min: 1, max: 15 })), (token, [index, change]) =>
      withPart(token, index, part => {
        const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
        const last = alphabet[alphabet.indexOf(part.slice(-1)) ^ change]
        const spelled = part.slice(0, -1) + last
        return decode(spelled).equals(decode(part)) ? spelled : part
      }),
    ))

  test('with text inserted, taken out or repeated', () =>
    neverAccepted(
      fc.tuple(at, fc.nat(3), fc.oneof(fc.string({ maxLength: 4 }), fc.constantFrom('.', '=', '\n', '\0', 'A', 'é'))),
      (token, [position, removed, inserted]) => {
        const index = position % (token.length + 1)
        return token.slice(0, index) + inserted + token.slice(index + removed)
      },
    ))

  test('with parts of it missing, doubled or in another order', () =>
    neverAccepted(fc.array(fc.nat(2), { maxLength: 5 }), (token, order) => {
      const parts = token.split('.')
      return order.map(index => parts[index]).join('.')
    }))

  const value = fc.oneof(
    fc.jsonValue({ maxDepth: 2 }),
    fc.constantFrom('RS256', 'ES256', 'HS256', 'none', 'rsa-1', 'ec-1', second + 86_400, 'payments', [issuerUrl]),
  )
  const edit = (names: readonly string[]) =>
    fc.tuple(fc.oneof(fc.constantFrom(...names), fc.string({ maxLength: 8 })), fc.option(value, { nil: undefined }))

  test('with its header edited', () =>
    neverAccepted(
      edit(['alg', 'kid', 'typ', 'jwk', 'jku', 'x5c', 'x5u', 'crit', 'b64', 'zip', '__proto__']),
      (token, [name, changed]) =>
        withPart(token, 0, part => encode(JSON.stringify({ ...membersOf(part), [name]: changed }))),
    ))

  test('with its claims edited', () =>
    neverAccepted(edit([...Object.keys(boundClaims), 'act', 'may_act', '__proto__']), (token, [name, changed]) =>
      withPart(token, 1, part => encode(JSON.stringify({ ...membersOf(part), [name]: changed }))),
    ))

  test("with another token's part", () =>
    neverAccepted(fc.tuple(fc.nat(2), algorithm), (token, [index, other]) =>
      withPart(token, index, () => tokens[other].split('.')[index] ?? ''),
    ))

  const rewritings: Readonly<Record<string, (json: string) => string>> = {
    indented: json => JSON.stringify(JSON.parse(json), null, 1),
    'with white space before': json => ` ${json}`,
    'with white space after': json => `${json}\n`,
    'with a byte order mark': json => `\uFEFF${json}`,
    'with escapes': json => json.replace('a', '\\u0061'),
    'in another order': json => JSON.stringify(Object.fromEntries(Object.entries(JSON.parse(json)).reverse())),
    'with its first member twice': json => json.replace(/^\{("[^"]*":(?:"[^"]*"|\d+|\[[^\]]*\])),/, '{$1,$1,'),
    'with a member twice, the later one true': json => `{"sub":"system:serviceaccount:x:root",${json.slice(1)}`,
    'with a member twice, the earlier one true': json => `${json.slice(0, -1)},"sub":"system:serviceaccount:x:root"}`,
    'in an array': json => `[${json}]`,
  }
  test.each(Object.keys(rewritings))('with its JSON %s', async name => {
    for (const token of Object.values(tokens)) {
      for (const index of [0, 1]) {
        const mutated = withPart(token, index, part => encode(rewritings[name]?.(decode(part).toString('utf8')) ?? ''))
        expect(mutated).not.toBe(token)
        await expectRefused(mutated)
      }
    }
  })

  const padded = (part: string) => part.padEnd(Math.ceil((part.length + 1) / 4) * 4, '=')
  const encodings: Readonly<Record<string, (token: string) => string>> = {
    'padding after each part': token => token.split('.').map(padded).join('.'),
    'padding after the signature': token => withPart(token, 2, padded),
    'the alphabet of base64': token => withPart(`${token}-`, 2, part => part.replaceAll('-', '+').replaceAll('_', '/')),
    'base64 and padding': token => withPart(token, 2, part => padded(decode(part).toString('base64'))),
    'hexadecimal digits': token => withPart(token, 2, part => decode(part).toString('hex')),
    'percent signs': token => token.replaceAll('.', '%2E'),
    'a scheme before it': token => `Bearer ${token}`,
    'quotation marks': token => `"${token}"`,
    'white space before it': token => ` ${token}`,
    'a line feed after it': token => `${token}\n`,
    'a line feed within it': token => `${token.slice(0, 64)}\n${token.slice(64)}`,
    'a null character after it': token => `${token}\0`,
    'a fourth part': token => `${token}.`,
    'the JSON form of a JWS': token => {
      const [header, payload, signature] = token.split('.')
      return JSON.stringify({ protected: header, payload, signature })
    },
  }
  test.each(Object.keys(encodings))('with %s', async name => {
    for (const token of Object.values(tokens)) await expectRefused(encodings[name]?.(token) ?? '')
  })

  test('with its signature cut, or longer', () =>
    neverAccepted(fc.tuple(fc.nat(256), fc.uint8Array({ maxLength: 4 })), (token, [kept, added]) =>
      withPart(token, 2, part => encode(Buffer.concat([decode(part).subarray(0, kept), added]))),
    ))

  test('with any other signature', () =>
    neverAccepted(fc.uint8Array({ minLength: 1, maxLength: 260 }), (token, bytes) =>
      withPart(token, 2, () => encode(bytes)),
    ))

  test('of ES256 whose signature is in DER', async () => {
    await expectRefused(withPart(tokens.ES256, 2, part => encode(derOf(decode(part)))))
  })

  test('of ES256 whose signature is of zeros, or in the other order', async () => {
    await expectRefused(withPart(tokens.ES256, 2, () => encode(Buffer.alloc(64))))
    await expectRefused(
      withPart(tokens.ES256, 2, part =>
        encode(Buffer.concat([decode(part).subarray(32), decode(part).subarray(0, 32)])),
      ),
    )
  })
})

test('the second signature that every ECDSA signature implies (n - s) makes the same workload and no other', async () => {
  // FIPS 186-5 makes both valid, and signers use either: refusing one would refuse half of all tokens.
  const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n
  const mirrored = withPart(tokens.ES256, 2, part => {
    const bytes = decode(part)
    const s = order - BigInt(`0x${bytes.subarray(32).toString('hex')}`)
    return encode(Buffer.concat([bytes.subarray(0, 32), Buffer.from(s.toString(16).padStart(64, '0'), 'hex')]))
  })
  expect(mirrored).not.toBe(tokens.ES256)
  expect((await warm(mirrored)).workload).toEqual((await warm(tokens.ES256)).workload)
})

test('any text at all is refused, and as the mistake of a caller', () =>
  fc.assert(
    fc.asyncProperty(
      fc.oneof(
        fc.string({ unit: 'binary', maxLength: 200 }),
        fc.base64String().map(text => `${text}.${text}.${text}`),
        fc
          .tuple(fc.jsonValue(), fc.jsonValue(), fc.uint8Array())
          .map(([header, claims, signature]) =>
            [JSON.stringify(header), JSON.stringify(claims), signature].map(encode).join('.'),
          ),
      ),
      expectRefused,
    ),
    runs,
  ))

test('claims of any JSON that the right key signed are a workload or refused, and never a bug', async () => {
  const signer = await newSigner('rsa-1')
  const found = { issuer: issuerOf({ keys: { jwks: { keys: [signer.published] } }, keepClaims: ['a'] }), version: '1' }
  const keys = issuerKeys({ fetchJson: () => Promise.reject(new Error('no')), monotonic: () => 0 })
  const now = () => second * 1000
  const verify = tokenVerifier({ issuers: { find: async () => found }, keys, review: async () => {}, now })
  const name = fc.constantFrom('a', ...Object.keys(boundClaims), '__proto__', 'toString')
  const edits = fc.dictionary(name, fc.jsonValue({ maxDepth: 3 }), { maxKeys: 3 })
  await fc.assert(
    fc.asyncProperty(edits, async changed => {
      const outcome = await verify(await signer.sign(changed)).catch((error: unknown) => error)
      if (outcome instanceof ExchangeError) expect(outcome.code).toBe('invalid_request')
      else expect(outcome).toMatchObject({ workload: { subject: 'system:serviceaccount:payments:api' } })
    }),
    { ...runs, numRuns: 300 },
  )
})

/** The form of an ECDSA signature that X.509 uses, and JWS does not (RFC 7518 section 3.4). */
function derOf(signature: Buffer): Buffer {
  const integer = (bytes: Buffer) => {
    const positive = (bytes[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.alloc(1), bytes]) : bytes
    return Buffer.concat([Buffer.from([0x02, positive.length]), positive])
  }
  const body = Buffer.concat([integer(signature.subarray(0, 32)), integer(signature.subarray(32))])
  return Buffer.concat([Buffer.from([0x30, body.length]), body])
}
