import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import type { RequestListener } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'vitest'
import { type Listener, listen } from '../../infra/local/listener.ts'
import { type Answer, type Document, type RunningStack, send } from '../running-stack.ts'
import type { Refusal } from './refusal.ts'

export const grantType = 'urn:ietf:params:oauth:grant-type:token-exchange'
export const jwtType = 'urn:ietf:params:oauth:token-type:jwt'
export const orders = { audience: 'orders-db', scope: 'read' }

/** What a token comes to that proves no identity. */
export const unproven: Refusal = { status: 400, error: 'invalid_request', reason: '', recorded: 'unverified' }

/** What an exchange of a verified workload comes to that no rule allows. */
export const notAllowed: Refusal = { status: 400, error: 'invalid_target', reason: 'no_rule', recorded: 'denied' }

export const seconds = () => Math.floor(Date.now() / 1000)

export function encode(part: unknown): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url')
}

/** The parts of a JWT. */
export function partsOf(token: string) {
  const [header = '', payload = '', signature = ''] = token.split('.')
  const decode = (part: string): Document => JSON.parse(Buffer.from(part, 'base64url').toString())
  return { header, payload, signature, head: decode(header), claims: decode(payload) }
}

/** A pod's token with other claims and header, truly signed by its cluster. An undefined member is left out. */
export async function reissued(stack: RunningStack, changes: Document, header: Document = {}): Promise<string> {
  return stack.cluster.sign({ ...partsOf(await stack.podToken()).claims, ...changes }, header)
}

/** An RSA key of somebody whom nobody registered, or of an issuer that a test registers. */
export interface Key {
  readonly id: string
  readonly publicKey: KeyObject
  readonly published: Document
  sign(claims: Document, header?: Document): string
}

export function newKey(id: string): Key {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  return {
    id,
    publicKey,
    published: { ...publicKey.export({ format: 'jwk' }), kid: id, alg: 'RS256', use: 'sig' },
    sign(claims, header = {}) {
      const signed = `${encode({ alg: 'RS256', kid: id, ...header })}.${encode(claims)}`
      return `${signed}.${sign('sha256', Buffer.from(signed), privateKey).toString('base64url')}`
    },
  }
}

/** An https server that the gateway would trust, were it to ask: it publishes keys as an OIDC issuer does. */
export interface IssuerServer extends Listener {
  readonly issuerUrl: string
  readonly jwksUri: string
  /** The path of every request that came. */
  readonly asked: string[]
  /** Replaces what is answered to a path. */
  answer(path: string, answer: RequestListener): void
}

export async function startIssuer(stack: RunningStack, keys: readonly Key[]): Promise<IssuerServer> {
  const asked: string[] = []
  const answers = new Map<string, RequestListener>()
  const listener = await listen(
    (request, response) => {
      const path = request.url ?? ''
      asked.push(path)
      const answer = answers.get(path)
      if (answer) return answer(request, response)
      return response.writeHead(404).end()
    },
    { certificate: await stack.authority.issue() },
  )
  const json = (body: unknown): RequestListener => {
    return (_, response) => response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  }
  const [issuerUrl, jwksUri] = [`${listener.url}/`, `${listener.url}/jwks`]
  answers.set('/.well-known/openid-configuration', json({ issuer: issuerUrl, jwks_uri: jwksUri }))
  answers.set('/jwks', json({ keys: keys.map(({ published }) => published) }))
  return { ...listener, issuerUrl, jwksUri, asked, answer: (path, answer) => void answers.set(path, answer) }
}

/** Registers an issuer, and waits until the gateway knows this version of its document. */
export async function register(stack: RunningStack, document: Document & { readonly id: string }): Promise<void> {
  const { issuerUrl } = document
  await stack.documents.container('issuers').items.upsert({ schema: 1, audiences: ['api://causeway'], ...document })
  // The algorithm is refused before any key is looked for, and after the issuer was found.
  const header = { alg: 'none', kid: 'probe' }
  const claims = { iss: issuerUrl, sub: 'probe', aud: 'api://causeway', exp: seconds() + 60, iat: seconds() }
  const subject_token = `${encode(header)}.${encode(claims)}.AAAA`
  for (let look = 0; look < 200; look++) {
    const answer = await stack.exchange({ ...orders, subject_token })
    if (!String(answer.body['error_description']).includes('not registered')) return
    await pause(50)
  }
  throw new Error(`the gateway does not know ${document.id}`)
}

/** How often the gateway went out: for keys, and for secrets. */
export function outboundOf(stack: RunningStack): Document {
  return { keys: stack.cluster.jwksRequests, secrets: [...stack.vault.requests.values()].reduce((a, b) => a + b, 0) }
}

/**
 * Presents a token, and asserts that nobody was asked for anything on the way: neither for keys nor for secrets, nor
 * Cosmos DB, which is down meanwhile. The gateway must have seen the issuer's document and keys before.
 */
export async function presentedWithoutIo(stack: RunningStack, subject_token: string): Promise<Answer> {
  const before = outboundOf(stack)
  const restore = stack.cosmos.faults.add({ status: 503 })
  try {
    return await stack.exchange({ ...orders, subject_token })
  } finally {
    restore()
    expect(outboundOf(stack)).toEqual(before)
  }
}

/** The cluster's own key that signs now, as it is published. */
export async function clusterKey(stack: RunningStack): Promise<Document> {
  const { keys } = (await send(stack.cluster.jwksUri, {})).body as { keys: Document[] }
  const { head } = partsOf(await stack.podToken())
  const key = keys.find(({ kid }) => kid === head['kid'])
  if (!key) throw new Error('the cluster publishes no such key')
  return key
}
