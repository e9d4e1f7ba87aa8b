import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { z } from 'zod'
import type { Certificate } from '../certificate-authority.ts'
import { type AnswerRequest, type JsonAnswer, listenForJson } from '../json-listener.ts'
import { keepJson, readKeptJson } from '../kept-json.ts'
import { openSigningKeys } from '../signing-keys.ts'
import { apiServer, tokenRequestPath } from './api-server.ts'
import { createInventory, type Inventory, type Pod, type ServiceAccount } from './inventory.ts'
import { issueToken, type TokenIssuer } from './issue-token.ts'
import { allowedLifetime } from './token-request.ts'

export interface ClusterOptions {
  readonly id: string
  readonly port?: number
  readonly httpPort?: number
  readonly certificate: Certificate
  /** Keeps the signing keys and the ids in the issuer's URL. */
  readonly dir: string
  readonly serviceAccounts: readonly ServiceAccount[]
  readonly pods?: readonly Pod[]
  /** The token of whoever may review tokens; nobody may without it. */
  readonly reviewer?: string
  /** Epoch milliseconds. */
  readonly now?: () => number
}

/** Asks for a token without HTTP. Unlike a TokenRequest it names its audiences. */
export interface ClusterTokenRequest {
  readonly namespace: string
  readonly serviceAccount: string
  /** The name of the pod to bind it to. */
  readonly pod?: string
  readonly audiences: readonly string[]
  /** 3600 unless said, as in Kubernetes. */
  readonly expirationSeconds?: number
}

/** A Kubernetes cluster, as far as its service accounts' tokens go, with an issuer such as AKS publishes. */
export interface Cluster extends Pick<Inventory, 'addPod' | 'removePod' | 'removeServiceAccount'> {
  readonly id: string
  /** Its trailing slash belongs to it. */
  readonly issuerUrl: string
  readonly jwksUri: string
  /** Where TokenRequests go, over plain http: a template with `{namespace}` and `{name}`. */
  readonly tokenRequest: string
  /** A token as the API server would issue it. Throws what it would answer, as `KubernetesError`. */
  token(request: ClusterTokenRequest): Promise<string>
  /** Anything, signed with the current key: hostile tokens for tests. */
  sign(claims: Readonly<Record<string, unknown>>, header?: Readonly<Record<string, unknown>>): Promise<string>
  /** `az aks oidc-issuer rotate-signing-keys`: a new key signs, the old one stays published until it is done again. */
  rotateKeys(): Promise<void>
  /** How often the keys have been fetched. */
  readonly jwksRequests: number
  stop(): Promise<void>
}

/** Starts a cluster on loopback. A restart over the same `dir` and port is the same issuer, with the same keys. */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const { id, port = 0, httpPort = 0, certificate, dir, serviceAccounts, pods = [], reviewer, now = Date.now } = options
  const keys = await openSigningKeys(dir)
  const path = openIssuerPath(dir)
  const inventory = createInventory(serviceAccounts, pods)
  let jwksRequests = 0
  const jwks = () => {
    jwksRequests += 1
    return { keys: keys.published() }
  }
  const issuedBy = (origin: string) => ({ issuerUrl: origin + path, inventory, keys, now })
  const https = await listenForJson({ port, certificate }, origin =>
    answerCluster(path, origin, jwks, apiServer(issuedBy(origin), reviewer)),
  )
  const issuer = issuedBy(https.url)
  const http = await listenForJson({ port: httpPort }, () => apiServer(issuer, reviewer))
  return {
    id,
    issuerUrl: issuer.issuerUrl,
    jwksUri: `${issuer.issuerUrl}openid/v1/jwks`,
    tokenRequest: http.url + tokenRequestPath,
    addPod: inventory.addPod,
    removePod: inventory.removePod,
    removeServiceAccount: inventory.removeServiceAccount,
    token: async request => tokenOf(issuer, request),
    sign: async (claims, header) => keys.sign(claims, header),
    rotateKeys: keys.rotate,
    get jwksRequests() {
      return jwksRequests
    },
    stop: async () => {
      await Promise.all([https.stop(), http.stop()])
    },
  }
}

function tokenOf(issuer: TokenIssuer, request: ClusterTokenRequest): string {
  const { namespace, serviceAccount, pod, audiences, expirationSeconds = 3600 } = request
  const bound = pod === undefined ? undefined : { name: pod }
  const spec = { audiences, expirationSeconds: allowedLifetime(expirationSeconds), pod: bound }
  return issueToken(issuer, namespace, serviceAccount, spec).token
}

/** AKS puts its tenant's id and one of the cluster's own in the issuer's path. */
function openIssuerPath(dir: string): string {
  const file = join(dir, 'issuer.json')
  const kept = readKeptJson(file) ?? { path: `/${randomUUID()}/${randomUUID()}/` }
  keepJson(file, kept)
  return z.strictObject({ path: z.string() }).parse(kept).path
}

function answerCluster(path: string, origin: string, jwks: () => unknown, api: AnswerRequest): AnswerRequest {
  return request => {
    switch (request.url.pathname) {
      case `${path}.well-known/openid-configuration`:
        return cacheable('application/json', discovery(origin + path))
      case `${path}openid/v1/jwks`:
        return cacheable('application/jwk-set+json', jwks())
      default:
        return api(request)
    }
  }
}

function discovery(issuerUrl: string) {
  return {
    issuer: issuerUrl,
    jwks_uri: `${issuerUrl}openid/v1/jwks`,
    response_types_supported: ['id_token'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['RS256'],
  }
}

function cacheable(contentType: string, body: unknown): JsonAnswer {
  return { status: 200, headers: { 'content-type': contentType, 'cache-control': 'public, max-age=3600' }, body }
}
