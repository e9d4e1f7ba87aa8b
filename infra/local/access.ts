import { LRUCache } from 'lru-cache'
import type { DocumentAction } from './cosmos/server.ts'
import type { ManagedIdentity } from './identity.ts'
import type { KeyAction } from './key-vault/vault.ts'
import type { Tenant } from './tenant.ts'

/** The identities of the three roles, the one by which the stack itself puts documents in place, and whoever verifies the log. */
export const identities = {
  exchange: identity('exchange', '1'),
  manage: identity('manage', '2'),
  timers: identity('timers', '3'),
  infra: identity('infra', '4'),
  auditor: identity('auditor', '5'),
} as const

export type IdentityName = keyof typeof identities

function identity(name: string, digit: string): ManagedIdentity {
  const guid = (first: string) => `${first.repeat(8)}-0000-4000-8000-${digit.repeat(12)}`
  return { name, clientId: guid('c'), objectId: guid('0') }
}

/** The role of a client id, where it is one of ours. */
export function identityOf(clientId: string | undefined): IdentityName | undefined {
  const names = Object.keys(identities) as IdentityName[]
  return names.find(name => identities[name].clientId === clientId)
}

const read = ['read', 'query', 'changeFeed'] as const
const added = [...read, 'create'] as const
const edited = { exchange: read, manage: [...read, 'create', 'replace'], timers: read } as const

/** Who may do what to which container, as the custom roles in Azure say. Nobody may delete, or replace a record. */
const grants: Readonly<Record<string, Partial<Record<IdentityName, readonly DocumentAction[]>>>> = {
  issuers: edited,
  targets: edited,
  rules: edited,
  calendars: edited,
  lockdowns: edited,
  posture: edited,
  versions: { manage: [...read, 'create', 'replace'] },
  changes: { manage: [...read, 'create', 'replace'] },
  leases: {
    exchange: [...read, 'create', 'replace'],
    manage: [...read, 'replace'],
    timers: [...read, 'replace'],
  },
  checks: { manage: [...read, 'create'], timers: [...read, 'replace'] },
  decisions: { exchange: added, manage: added, timers: added, auditor: read },
  streams: { exchange: added, manage: added, timers: added, auditor: read },
  checkpoints: { manage: read, timers: added, auditor: read },
}

/** Cosmos DB's side of it. */
export function mayTouchDocuments(identity: string, container: string, action: DocumentAction): boolean {
  if (identity === 'infra') return action !== 'delete'
  return grants[container]?.[identity as IdentityName]?.includes(action) ?? false
}

/** Key Vault's side: the secrets that each role may read. `manage` reads none. */
export function maySeeSecret(identity: string, action: 'get' | 'set', secret: string): boolean {
  if (action === 'set') return identity === 'infra'
  const revokes = secret.endsWith('-revoker')
  return (identity === 'exchange' && !revokes) || (identity === 'timers' && revokes)
}

/** The timers sign checkpoints; whoever verifies them reads the public key. */
export function mayUseKey(identity: string, action: KeyAction): boolean {
  if (action === 'create') return identity === 'infra'
  if (action === 'get') return identity === 'timers' || identity === 'auditor'
  return identity === 'timers' && action === 'sign'
}

/** Tells who presents a token for a resource. Signatures are verified once a minute each, not once a request. */
export function recognise(tenant: Pick<Tenant, 'authenticate'>) {
  const known = new LRUCache<string, IdentityName>({ max: 1_000, ttl: 60_000 })
  return async (token: string, audience: string): Promise<IdentityName | undefined> => {
    const key = `${audience} ${token}`
    const found = known.get(key) ?? identityOf(await tenant.authenticate(token, audience))
    if (found) known.set(key, found)
    return found
  }
}
