import { randomBytes } from 'node:crypto'
import type { Pod, ServiceAccount } from './cluster/inventory.ts'
import { demoDatabase } from './postgresql/demo-database.ts'

/** The audience that pods project their tokens for, and operators theirs. */
export const audience = 'api://causeway'

/** The key of the vault `corp` that signs checkpoints. */
export const checkpointKey = 'causeway-checkpoints'

/** The operators' automation: an application with every app role but that of approving. */
export const operator = {
  clientId: 'aaaaaaaa-0000-4000-8000-000000000001',
  objectId: 'aaaaaaaa-0000-4000-8000-0000000000ff',
}

/** The second person of a change that needs two: it approves, and writes nothing itself. */
export const approver = {
  clientId: 'dddddddd-0000-4000-8000-000000000001',
  objectId: 'dddddddd-0000-4000-8000-0000000000ff',
}

/** An application of the tenant that nobody gave a role: it gets a token all the same, as in Entra. */
export const stranger = {
  clientId: 'bbbbbbbb-0000-4000-8000-000000000001',
  objectId: 'bbbbbbbb-0000-4000-8000-0000000000ff',
}

export const serviceAccounts: readonly ServiceAccount[] = [
  { namespace: 'payments', name: 'api', uid: '5f0b9d6e-0001-4000-8000-000000000001' },
  { namespace: 'billing', name: 'batch', uid: '5f0b9d6e-0001-4000-8000-000000000002' },
  { namespace: 'quarantine', name: 'api', uid: '5f0b9d6e-0001-4000-8000-000000000003' },
]

const node = { name: 'aks-pool1-31415926-vmss000000', uid: '5f0b9d6e-0003-4000-8000-000000000001' }

export const pods: readonly Pod[] = [
  {
    namespace: 'payments',
    name: 'api-7d9c6b5f4-x2x7k',
    uid: '5f0b9d6e-0002-4000-8000-000000000001',
    serviceAccount: 'api',
    node,
  },
  {
    namespace: 'payments',
    name: 'api-7d9c6b5f4-q8w2z',
    uid: '5f0b9d6e-0002-4000-8000-000000000002',
    serviceAccount: 'api',
    node,
  },
  {
    namespace: 'billing',
    name: 'batch-28931040-abcde',
    uid: '5f0b9d6e-0002-4000-8000-000000000003',
    serviceAccount: 'batch',
    node,
  },
  { namespace: 'quarantine', name: 'api-0', uid: '5f0b9d6e-0002-4000-8000-000000000004', serviceAccount: 'api', node },
]

/** The secrets of a new world: those of the vault `corp`, by name, and the passwords of the tenant's applications. */
export function newSecrets() {
  const password = () => randomBytes(24).toString('base64url')
  return {
    vault: {
      'causeway-derivation-key': randomBytes(32).toString('base64'),
      'orders-db-minter': password(),
      'orders-db-revoker': password(),
      'aks-local-reviewer': password(),
      'mainframe-ftp': JSON.stringify({ username: 'MFBATCH', password: password() }),
    },
    applications: { operator: password(), approver: password(), stranger: password() },
  }
}

const operatorRoles = [
  'Rules.Read',
  'Rules.Write',
  'Trust.Write',
  'Leases.Read',
  'Leases.Revoke',
  'Decisions.Read',
  'Lockdown.Write',
  'Posture.Write',
]

/** The applications registered in the tenant, and the app roles that they were given. */
export function applications(passwords: Readonly<Record<'operator' | 'approver' | 'stranger', string>>) {
  return [
    { ...operator, clientSecret: passwords.operator, roles: { [audience]: operatorRoles } },
    { ...approver, clientSecret: passwords.approver, roles: { [audience]: ['Rules.Read', 'Rules.Approve'] } },
    { ...stranger, clientSecret: passwords.stranger, roles: {} },
  ]
}

export interface Places {
  readonly cluster: { readonly id: string; readonly issuerUrl: string }
  readonly postgresql: { readonly host: string; readonly port: number; readonly ca: string }
}

/** The documents that tell where things are: they follow the places, which change from start to start. */
export function placedDocuments({ cluster, postgresql }: Places) {
  const login = (user: string, secret: string) => ({ user, password: { vault: 'corp', secret } })
  const issuer = {
    schema: 1,
    id: cluster.id,
    issuerUrl: cluster.issuerUrl,
    kind: 'aks',
    labels: { environment: 'prod' },
    audiences: [audience],
    // The cluster stand-in is on this machine; a real AKS issuer is public.
    network: 'private',
  }
  const ordersDatabase = {
    schema: 1,
    id: 'orders-db',
    uri: 'postgresql://orders.corp.example/orders',
    labels: { environment: 'prod' },
    provider: 'postgresql',
    settings: {
      host: postgresql.host,
      port: postgresql.port,
      database: demoDatabase.database,
      admin: login(demoDatabase.minter, 'orders-db-minter'),
      revoker: login(demoDatabase.revoker, 'orders-db-revoker'),
      tls: { ca: postgresql.ca },
    },
    scopes: { read: { role: demoDatabase.scopes.read }, write: { role: demoDatabase.scopes.write } },
    defaultScopes: ['read'],
    defaultTtl: 'PT15M',
    maxTtl: 'PT1H',
  }
  const mainframe = {
    schema: 1,
    id: 'mainframe-ftp',
    labels: { environment: 'prod' },
    provider: 'key-vault-secret',
    settings: { fields: { host: 'mainframe.corp.example', port: 21 } },
    scopes: { login: { secret: { vault: 'corp', secret: 'mainframe-ftp' }, format: 'json' } },
    defaultScopes: ['login'],
  }
  return { issuers: [issuer], targets: [ordersDatabase, mainframe] }
}

/** The rules of a new world. They are the operators' from then on. */
export const firstRules = [
  {
    schema: 1,
    id: 'payments-api-orders',
    target: 'orders-db',
    effect: 'allow',
    workloads: [{ issuer: 'aks-local', namespace: 'payments', serviceAccount: 'api' }],
    scopes: ['read', 'write'],
    grant: { ttl: 'PT15M' },
    description: 'The payments API keeps its orders there.',
  },
  {
    schema: 1,
    id: 'billing-batch-mainframe',
    target: 'mainframe-ftp',
    effect: 'allow',
    workloads: [{ issuer: 'aks-local', namespace: 'billing', serviceAccount: 'batch' }],
    scopes: ['login'],
    description: 'The nightly batch delivers its files.',
  },
  {
    schema: 1,
    id: 'quarantine',
    target: '*',
    effect: 'deny',
    workloads: [{ issuer: '*', namespace: 'quarantine' }],
    description: 'Whatever is in quarantine reaches nothing.',
  },
] as const
