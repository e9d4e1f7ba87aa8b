import { beforeAll, describe, expect, test } from 'vitest'
import type { Workload } from '../../shared/workload/workload.ts'
import { failureOf, type Signer, second } from '../workload/tokens.ts'
import { type IssuerMembers, platformSigners, verified } from './verified.ts'

let signers: Readonly<Record<'RS256' | 'ES256', Signer>>
beforeAll(async () => {
  signers = await platformSigners()
})

const tenant = '9d8f4b1e-0a5c-4f7e-8b1d-2c3d4e5f6a7b'
const cluster = '3f6c1c52-7a0f-4f0c-9f3c-6c2f0a0a4f11'
const uids = {
  account: '14ee3fa4-a7e2-420f-9f9a-dbc4507c3798',
  pod: '646cfa5a-bf9c-4ee4-9c8f-24d6c7b5a4e1',
  node: '646e7c5e-32d6-4d42-9dbd-e504e6cbe6b1',
}

interface Platform {
  readonly name: string
  readonly algorithm?: 'RS256' | 'ES256'
  readonly issuer: IssuerMembers & { readonly issuerUrl: string }
  readonly claims: Readonly<Record<string, unknown>>
  /** The workload, whole, but for its `token` and its `claims`. */
  readonly workload: Omit<Workload, 'token' | 'claims'>
  readonly tokenId?: string
}

/** The `kubernetes.io` claim as the API server writes it since 1.32, with node. */
const claim132 = {
  namespace: 'payments',
  node: { name: 'aks-pool1-31415926-vmss000000', uid: uids.node },
  pod: { name: 'api-7d9c6b5f4-x2x7k', uid: uids.pod },
  serviceaccount: { name: 'api', uid: uids.account },
}
/** The same before 1.30: no node, and no `jti` beside it. */
const claim128 = {
  namespace: 'default',
  pod: { name: 'my-pod', uid: uids.pod },
  serviceaccount: { name: 'my-service-account', uid: uids.account },
}

const identity132 = {
  subject: 'system:serviceaccount:payments:api',
  namespace: 'payments',
  serviceAccount: claim132.serviceaccount,
  pod: claim132.pod,
  node: claim132.node,
}
const identity128 = {
  subject: 'system:serviceaccount:default:my-service-account',
  namespace: 'default',
  serviceAccount: claim128.serviceaccount,
  pod: claim128.pod,
}

const jti = 'ea28ed49-2e11-4280-9ec5-bc3d1d84661a'

const platforms: readonly Platform[] = [
  {
    name: 'AKS',
    issuer: { kind: 'aks', issuerUrl: `https://westeurope.oic.prod-aks.azure.com/${tenant}/${cluster}/` },
    claims: { jti, 'kubernetes.io': claim132 },
    workload: { issuer: issuerFact('aks', 'westeurope'), ...identity132 },
    tokenId: jti,
  },
  {
    name: 'AKS whose projected token lives for the whole day that AKS allows',
    issuer: {
      kind: 'aks',
      issuerUrl: `https://eastus2.oic.prod-aks.azure.com/${tenant}/${cluster}/`,
      maxTokenAge: 'PT24H',
    },
    claims: { jti, exp: second + 86_400, 'kubernetes.io': claim132 },
    workload: { issuer: issuerFact('aks', 'eastus2'), ...identity132 },
    tokenId: jti,
  },
  {
    name: 'Arc-enabled K3s, whose region is a macro-region',
    issuer: { kind: 'arc', issuerUrl: `https://northamerica.oic.prod-arc.azure.com/${tenant}/${cluster}/` },
    claims: { jti, 'kubernetes.io': { ...claim132, node: { name: 'arc-node-1', uid: uids.node } } },
    workload: {
      issuer: issuerFact('arc', 'northamerica'),
      ...identity132,
      node: { name: 'arc-node-1', uid: uids.node },
    },
    tokenId: jti,
  },
  {
    name: 'EKS, of Kubernetes 1.28 and a day long',
    issuer: {
      kind: 'kubernetes',
      issuerUrl: 'https://oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B716D3041E',
      maxTokenAge: 'PT24H',
      region: 'us-west-2',
    },
    claims: { jti: undefined, exp: second + 86_400, 'kubernetes.io': claim128 },
    workload: { issuer: issuerFact('kubernetes', 'us-west-2'), ...identity128 },
  },
  {
    name: 'GKE',
    issuer: {
      kind: 'kubernetes',
      issuerUrl: 'https://container.googleapis.com/v1/projects/my-project/locations/europe-west1/clusters/my-cluster',
    },
    claims: {
      jti,
      'kubernetes.io': {
        ...claim128,
        node: { name: 'gke-my-cluster-default-pool-1f2e3d4c-0x1y', uid: uids.node },
      },
    },
    workload: {
      issuer: issuerFact('kubernetes'),
      ...identity128,
      node: { name: 'gke-my-cluster-default-pool-1f2e3d4c-0x1y', uid: uids.node },
    },
    tokenId: jti,
  },
  {
    name: 'OpenShift with the issuer of its bound tokens in an S3 bucket',
    issuer: { kind: 'kubernetes', issuerUrl: 'https://my-cluster-oidc.s3.us-east-1.amazonaws.com' },
    claims: { jti, 'kubernetes.io': claim128 },
    workload: { issuer: issuerFact('kubernetes'), ...identity128 },
    tokenId: jti,
  },
  {
    name: 'OpenShift as it is installed, with its keys inline',
    issuer: { kind: 'kubernetes', issuerUrl: 'https://kubernetes.default.svc' },
    claims: { jti, 'kubernetes.io': claim128 },
    workload: { issuer: issuerFact('kubernetes'), ...identity128 },
    tokenId: jti,
  },
  {
    name: 'kubeadm as it is installed, with its keys inline',
    issuer: { kind: 'kubernetes', issuerUrl: 'https://kubernetes.default.svc.cluster.local' },
    claims: { jti, 'kubernetes.io': claim132 },
    workload: { issuer: issuerFact('kubernetes'), ...identity132 },
    tokenId: jti,
  },
  {
    name: 'k3s as it is installed, with an elliptic key inline and node names that have dots',
    algorithm: 'ES256',
    issuer: { kind: 'kubernetes', issuerUrl: 'https://kubernetes.default.svc.cluster.local', region: 'edge-7' },
    claims: { jti, 'kubernetes.io': { ...claim132, node: { name: 'edge-7.corp.example', uid: uids.node } } },
    workload: {
      issuer: issuerFact('kubernetes', 'edge-7'),
      ...identity132,
      node: { name: 'edge-7.corp.example', uid: uids.node },
    },
    tokenId: jti,
  },
]

function issuerFact(kind: 'aks' | 'arc' | 'kubernetes', region?: string): Workload['issuer'] {
  return { id: 'aks-prod-weu', kind, labels: {}, ...(region !== undefined && { region }) }
}

/** The claims as the API server signs them: its registered ones, and the platform's. */
function claimsOf({ issuer, claims, workload }: Platform): Readonly<Record<string, unknown>> {
  return { iss: issuer.issuerUrl, sub: workload.subject, ...claims }
}

describe.each(platforms)('a bound token of $name', platform => {
  const { issuer, workload, algorithm = 'RS256', tokenId } = platform
  const verify = (claims: Readonly<Record<string, unknown>>) =>
    verified(signers[algorithm], { issuer, claims: { ...claimsOf(platform), ...claims } })

  test('tells the workload, whole', async () => {
    const claims = claimsOf(platform)
    expect((await verify({})).workload).toStrictEqual({
      ...workload,
      claims: Object.create(null),
      token: {
        keyId: signers[algorithm].id,
        issuedAt: second,
        expiresAt: claims['exp'] ?? second + 3600,
        ...(tokenId !== undefined && { id: tokenId }),
      },
    })
  })

  test('is refused where it is for the API server and not for this gateway', async () => {
    const error = await failureOf(verify({ aud: ['https://kubernetes.default.svc.cluster.local', 'k3s'] }))
    expect(error).toMatchObject({ code: 'invalid_request', reason: 'token_audience' })
  })

  test('is refused where it is bound to no pod', async () => {
    const { pod: _, ...podless } = platform.claims['kubernetes.io'] as Record<string, unknown>
    const error = await failureOf(verify({ 'kubernetes.io': podless }))
    expect(error).toMatchObject({ code: 'invalid_request', reason: 'token_unbound' })
  })
})

describe('a token that no document allows', () => {
  const [aks] = platforms as [Platform]
  const issuer = aks.issuer

  test('of a node is refused: it is no pod', async () => {
    const { node, namespace, serviceaccount } = claim132
    const claims = { ...claimsOf(aks), 'kubernetes.io': { namespace, serviceaccount, node } }
    const error = await failureOf(verified(signers.RS256, { issuer, claims }))
    expect(error).toMatchObject({ code: 'invalid_request', reason: 'token_unbound' })
  })

  test('of a Secret is refused, with what to do instead', async () => {
    const claims = {
      ...claimsOf(aks),
      aud: undefined,
      exp: undefined,
      iat: undefined,
      nbf: undefined,
      'kubernetes.io': undefined,
      'kubernetes.io/serviceaccount/namespace': 'default',
      'kubernetes.io/serviceaccount/secret.name': 'api-token-x2x7k',
      'kubernetes.io/serviceaccount/service-account.name': 'api',
      'kubernetes.io/serviceaccount/service-account.uid': uids.account,
    }
    const error = await failureOf(verified(signers.RS256, { issuer, claims }))
    expect(error).toMatchObject({ code: 'invalid_request', reason: 'token_unbound' })
    expect(error.description).toContain('project a bound one')
  })

  test('of the API server that was extended to a year is refused, with what to do instead', async () => {
    const extended = { ...claim132, warnafter: second + 3607 }
    const claims = { ...claimsOf(aks), exp: second + 365 * 86_400, 'kubernetes.io': extended }
    const error = await failureOf(verified(signers.RS256, { issuer, claims }))
    expect(error).toMatchObject({ code: 'invalid_request', reason: 'token_too_old' })
    expect(error.description).toContain('warnafter')
  })

  test.each([
    ['api://AzureADTokenExchange', 'Azure Workload Identity'],
    ['api://AKSIdentityBinding', 'AKS identity bindings'],
    ['sts.amazonaws.com', 'AWS'],
  ])('for %s is refused, with what to do instead', async (audience, owner) => {
    const error = await failureOf(verified(signers.RS256, { issuer, claims: { ...claimsOf(aks), aud: [audience] } }))
    expect(error).toMatchObject({ code: 'invalid_request', reason: 'token_audience' })
    expect(error.description).toContain(owner)
  })
})
