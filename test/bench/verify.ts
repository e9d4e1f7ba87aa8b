import { createHash, randomUUID } from 'node:crypto'
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, jwtVerify, SignJWT } from 'jose'
import { issuerDocument } from '../../shared/workload/issuer.ts'
import { issuerKeys } from '../../shared/workload/issuer-keys.ts'
import { tokenVerifier, type VerifyToken } from '../../shared/workload/verify-token.ts'
import type { Context, Measurement, Part } from './part.ts'
import { median, spread } from './statistics.ts'

type Algorithm = 'RS256' | 'ES256'

const issuerUrl = 'https://westeurope.oic.prod-aks.azure.com/00000000-0000-0000-0000-000000000001/cluster/'
const audience = 'api://causeway'

/** Tokens verified in one round. */
const tokensPerRound = 400

/** What a whole verification costs beside `jose.jwtVerify` of the same tokens, in this process, in turns. */
export const verify: Part = {
  names: ['verify.rs256.fresh_ratio', 'verify.es256.fresh_ratio', 'verify.cached_ratio'],
  async run(context) {
    const [rs256, es256] = [await signerOf('RS256'), await signerOf('ES256')]
    return [
      await freshRatio(context, 'verify.rs256.fresh_ratio', rs256),
      await freshRatio(context, 'verify.es256.fresh_ratio', es256),
      await cachedRatio(context, rs256),
    ]
  },
}

interface Signer {
  readonly publicKey: CryptoKey
  readonly sign: () => Promise<string>
  readonly verifyHere: VerifyToken
  readonly verifyBare: (token: string) => Promise<unknown>
}

async function freshRatio(context: Context, name: string, signer: Signer): Promise<Measurement> {
  const ratios: number[] = []
  const costs = { here: [] as number[], bare: [] as number[] }
  for (let round = 0; round <= context.plan.rounds; round++) {
    // Each token is new to both: nobody has it in a cache.
    const tokens = await Promise.all(Array.from({ length: tokensPerRound }, signer.sign))
    // Each is first in every other round: whoever comes second finds the machine as the other left it.
    const bareFirst = round % 2 === 0 ? await cost(tokens, signer.verifyBare) : undefined
    const here = await cost(tokens, signer.verifyHere)
    const bare = bareFirst ?? (await cost(tokens, signer.verifyBare))
    // The first round warms both up.
    if (round === 0) continue
    ratios.push(here / bare)
    costs.here.push(here)
    costs.bare.push(bare)
    context.progress(`${name}: round ${round} of ${context.plan.rounds}`)
  }
  const detail = `${median(costs.here).toFixed(0)} us each; jose alone ${median(costs.bare).toFixed(0)} us`
  return { name, value: median(ratios), unit: "of jose's cost", spread: spread(ratios), detail }
}

async function cachedRatio(context: Context, signer: Signer): Promise<Measurement> {
  const tokens = await Promise.all(Array.from({ length: tokensPerRound }, signer.sign))
  await cost(tokens, signer.verifyHere)
  const ratios: number[] = []
  const costs: number[] = []
  for (let round = 0; round < context.plan.rounds; round++) {
    const [bare, here] = [await cost(tokens, signer.verifyBare), await cost(tokens, signer.verifyHere)]
    ratios.push(here / bare)
    costs.push(here)
  }
  const detail = `${median(costs).toFixed(1)} us each, of RS256 tokens`
  return { name: 'verify.cached_ratio', value: median(ratios), unit: "of jose's cost", spread: spread(ratios), detail }
}

/** Microseconds for one token, one after the other. */
async function cost(tokens: readonly string[], check: (token: string) => Promise<unknown>): Promise<number> {
  const startedAt = performance.now()
  for (const token of tokens) await check(token)
  return ((performance.now() - startedAt) * 1000) / tokens.length
}

async function signerOf(algorithm: Algorithm): Promise<Signer> {
  const { publicKey, privateKey } = await generateKeyPair(algorithm, { extractable: true })
  const jwk: JWK = { ...(await exportJWK(publicKey)), kid: 'bench', alg: algorithm, use: 'sig' }
  const issuer = issuerDocument.parse({
    schema: 1,
    id: 'bench',
    issuerUrl,
    kind: 'aks',
    audiences: [audience],
    keys: { jwks: { keys: [jwk] } },
  })
  const keys = issuerKeys({ fetchJson: () => Promise.reject(new Error('inline')), monotonic: () => performance.now() })
  const issuers = { find: async () => ({ issuer, version: '1' }) }
  return {
    publicKey,
    sign: () => new SignJWT(claims()).setProtectedHeader({ alg: algorithm, kid: 'bench' }).sign(privateKey),
    verifyHere: tokenVerifier({ issuers, keys, review: async () => {}, now: Date.now }),
    verifyBare: token => jwtVerify(token, publicKey, { algorithms: [algorithm], issuer: issuerUrl, audience }),
  }
}

/** As a Kubernetes 1.32 API server signs them. */
function claims() {
  const now = Math.floor(Date.now() / 1000)
  const uid = (of: string) => createHash('md5').update(of).digest('hex')
  return {
    aud: [audience],
    exp: now + 3600,
    iat: now,
    iss: issuerUrl,
    jti: randomUUID(),
    'kubernetes.io': {
      namespace: 'payments',
      node: { name: 'aks-pool1-31415926-vmss000000', uid: uid('node') },
      pod: { name: 'api-7d9c6b5f4-x2x7k', uid: uid('pod') },
      serviceaccount: { name: 'api', uid: uid('account') },
    },
    nbf: now,
    sub: 'system:serviceaccount:payments:api',
  }
}
