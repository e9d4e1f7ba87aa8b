import { z } from 'zod'

const instant = z.iso.datetime()

/** Who a lease was reserved for. Issuer and subject are whose it is; the rest is what a lockdown may name. */
const holder = z.object({
  issuer: z.string(),
  subject: z.string(),
  serviceAccountUid: z.string().optional(),
  podUid: z.string().optional(),
  namespace: z.string().optional(),
  serviceAccount: z.string().optional(),
  node: z.string().optional(),
  /** The key of the token with which it was reserved. Only documents older than this member lack it. */
  keyId: z.string().optional(),
})
export type Holder = z.output<typeof holder>

/**
 * A minted credential that must be taken back. The document is the truth: it holds all that ending it needs, whatever
 * has become of its target and its rules since. It holds no secret.
 */
export const leaseDocument = z.object({
  schema: z.literal(1),
  id: z.string(),
  slot: z.string(),
  generation: z.int().min(0),
  /** `reserved`: one instance is making the account; `active`: it was released; `revoking`: due; `revoked`: gone. */
  state: z.enum(['reserved', 'active', 'revoking', 'revoked']),
  deployment: z.string(),
  target: z.string(),
  provider: z.string(),
  settings: z.unknown(),
  /** Digest of provider and settings: leases with the same are on one server. Documents older than this member lack it. */
  location: z.string().optional(),
  /** The granted scopes and, in the same order, what each means to the provider. */
  scopes: z.array(z.string()),
  meanings: z.array(z.unknown()),
  account: z.string(),
  /** What the server that it was made on calls itself: told by the mint, so a lease that was never active lacks it. */
  server: z.string().optional(),
  /** What its password is made of. */
  password: z.object({ length: z.int(), alphabet: z.string() }),
  salt: z.string(),
  keyVersion: z.string(),
  workload: holder,
  /** Who asked on the workload's behalf. */
  actor: holder.optional(),
  share: z.enum(['pod', 'workload']),
  /** The place that it has under a quota, to be freed once the lease is revoked. */
  quotaPlace: z.object({ slot: z.string(), id: z.string() }).optional(),
  rules: z.array(z.object({ id: z.string(), target: z.string(), version: z.string() })),
  /** The decision that reserved it. */
  decision: z.string(),
  createdAt: instant,
  /** After this nobody may make the account any more. */
  mintUntil: instant,
  expiresAt: instant,
  /** When the timer must look at it: it ends a lease that is still there then. */
  dueAt: instant,
  /**
   * The minter is certain that nothing was made: the next exchange may try under the same generation. Once the lease is
   * on its way out nobody may, so it ends without its server.
   */
  vacant: z.boolean().default(false),
  /** What becomes of its sessions when it expires, as its target said. */
  onExpiry: z.enum(['end-sessions', 'finish-transactions']).default('end-sessions'),
  /** Why it is ending. */
  cause: z.enum(['expired', 'lapsed', 'failed', 'released', 'lockdown', 'operator', 'attested']).optional(),
  /** The lockdown that ends it. */
  lockdown: z.string().optional(),
  attempts: z.int().default(0),
  /** How often a run had it in hand, whatever came of that: a run that died left nothing but this. */
  tries: z.int().default(0),
  /** Why the last attempt to end it failed, with what its target said of that. */
  lastError: z.string().optional(),
  lastDetail: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).optional(),
  /** What an operator says of its account: it is gone, where nobody can ask its server any more. */
  attested: z.object({ reason: z.string() }).optional(),
  evidence: z
    .object({
      /** The number of the try that saw this: those before it may have ended sessions. Documents older than this member lack it. */
      attempt: z.int().optional(),
      /** The run of the timer that saw this: its line in the log says what else it did. */
      run: z.string().optional(),
      sessionsFound: z.number().optional(),
      sessionsEnded: z.number(),
      /**
       * It was looked for and was not there; or an operator says so, and its server could not be asked; or its minter
       * was certain that it made none, and nobody was asked.
       */
      absent: z.literal([true, 'attested', 'never-made']),
      at: instant,
      /** What names the account as its definer and cannot be used any more, where the engine keeps such. */
      orphans: z.number().optional(),
      /**
       * What acts with the rights of a role of its scopes, and goes on working: made while it lived, where the engine
       * says when.
       */
      definedByRoles: z.number().optional(),
      /** Transactions that somebody has prepared for a commit in two phases on its server: one may be its account's. */
      preparedTransactions: z.number().optional(),
    })
    .optional(),
  /** Seconds of retention once revoked: Cosmos DB's TTL never revokes. */
  ttl: z.int().optional(),
})
export type Lease = z.output<typeof leaseDocument>

/** A lease at the version that was read or written last. */
export interface StoredLease {
  readonly lease: Lease
  readonly etag: string
}

/** Lease ids name their slot, so that a lease is found by its id in one point read. */
export function leaseId(slot: string, generation: number): string {
  return `${slot}.${generation}`
}

/** The slot and generation in a lease's id, where it is one. */
export function parseLeaseId(id: string): { readonly slot: string; readonly generation: number } | undefined {
  const [, slot, generation] = /^([0-9a-f]{64})\.([0-7])$/.exec(id) ?? []
  return slot && generation ? { slot, generation: Number(generation) } : undefined
}
