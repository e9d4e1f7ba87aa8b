import { issuerKeys } from '../../shared/workload/issuer-keys.ts'
import { tokenVerifier, type VerifiedToken } from '../../shared/workload/verify-token.ts'
import { issuerOf, newSigner, type Signer, second } from '../workload/tokens.ts'

/** The parts of an issuer's document by which these tests tell platforms apart. */
export type IssuerMembers = Readonly<Record<string, unknown>>

/** A signer for a test file, by algorithm: keys take their time. */
export async function platformSigners(): Promise<Readonly<Record<'RS256' | 'ES256', Signer>>> {
  // Kubernetes' own form of key id: the hash of the public key.
  return {
    RS256: await newSigner('8vmPqPnPPm6VbqD5QyXjz0MzNkJSHwZbJ3uX3s9HBcw'),
    ES256: await newSigner('JsHVO-54gSxwjNUjO8LwzjvW3ANfjXvMyP3BHdxlsCI', 'ES256'),
  }
}

/** Verifies claims that a platform would sign, by an issuer's document with that platform's keys in it. */
export async function verified(
  signer: Signer,
  { issuer, claims, header = {} }: { issuer: IssuerMembers; claims: object; header?: object },
): Promise<VerifiedToken> {
  const document = issuerOf({ keys: { jwks: { keys: [signer.published] } }, labels: {}, ...issuer })
  const found = { issuer: document, version: '"1"' }
  const verify = tokenVerifier({
    issuers: {
      // As the registry does: byte by byte.
      find: async issuerUrl => (issuerUrl === document.issuerUrl ? found : Promise.reject(new Error('unknown'))),
    },
    keys: issuerKeys({ fetchJson: () => Promise.reject(new Error('nothing is fetched')), monotonic: () => 0 }),
    review: async () => {},
    now: () => second * 1000,
  })
  return verify(await signer.sign(claims, header))
}
