import { createHash } from 'node:crypto'
import canonicalize from 'canonicalize'
import { z } from 'zod'
import type { ChainHead } from './record.ts'
import { recordHash } from './record-hash.ts'
import { idAfter } from './record-id.ts'

const head = z.object({ stream: z.string(), id: z.string(), hash: z.string() })

/**
 * A checkpoint as it is stored: which record stood last in each stream whose end had moved, signed. What else is in a
 * document is kept, since it is part of what was signed.
 */
export const checkpointDocument = z.looseObject({
  schema: z.literal(1),
  /** Its number, zero-padded like a record's: one chain for a deployment. */
  id: z.string().regex(/^\d{12}$/),
  /**
   * The day on which the checkpoint before it was made, or its own for the first: its partition. Whoever makes the next
   * one thus makes it in the same partition, so that two of a number cannot both be created around midnight.
   */
  day: z.iso.date(),
  deployment: z.string(),
  /** When its heads began to be read: what was written before is in it, or in an earlier one. Never goes back. */
  at: z.iso.datetime(),
  /** The {@link recordHash} of the checkpoint before it, signature and all. */
  previous: z.string().nullable(),
  /** Streams of earlier hours than this are not looked at any more. */
  openSince: z.string(),
  heads: z.array(head),
  /** How many streams were looked at for it that may still grow. */
  open: z.int(),
  /** The key's version, by its whole URL. */
  key: z.object({ kid: z.string(), alg: z.literal('ES256') }),
  /** Base64url, r and s, over {@link signedText}. */
  signature: z.string(),
})
export type Checkpoint = z.infer<typeof checkpointDocument>

/** One version of the key that signs. */
export interface CheckpointKey {
  readonly kid: string
  /** ES256 over a SHA-256. Throws 503 `vault_*`. */
  sign(digest: Uint8Array, signal: AbortSignal): Promise<Uint8Array>
}

/**
 * What is signed, by ECDSA over its SHA-256: the RFC 8785 form of everything but the signature and what Cosmos DB adds.
 * Throws for what has no such form.
 */
export function signedText(checkpoint: object): string {
  const signed = Object.entries(checkpoint).filter(([member]) => member !== 'signature' && !member.startsWith('_'))
  return canonicalize(Object.fromEntries(signed)) ?? ''
}

/** What a checkpoint says beside its place in the chain. */
export interface CheckpointContent {
  readonly deployment: string
  readonly at: string
  readonly openSince: string
  readonly heads: readonly ChainHead[]
  readonly open: number
  /** Seconds for which it is kept. */
  readonly ttl: number
}

/** Signs what comes after a checkpoint, or is the first where there is none. */
export async function nextCheckpoint(
  last: Checkpoint | undefined,
  content: CheckpointContent,
  { key, signal }: { readonly key: CheckpointKey; readonly signal: AbortSignal },
): Promise<Checkpoint> {
  const at = last && last.at > content.at ? last.at : content.at
  const unsigned = {
    ...content,
    schema: 1 as const,
    id: nextId(last),
    day: dayAfter(last) ?? at.slice(0, 10),
    at,
    previous: last ? recordHash(last) : null,
    heads: [...content.heads],
    key: { kid: key.kid, alg: 'ES256' as const },
  }
  const digest = createHash('sha256').update(signedText(unsigned)).digest()
  const signature = await key.sign(digest, signal)
  return { ...unsigned, signature: Buffer.from(signature).toString('base64url') }
}

/** The number of the checkpoint after this one. */
export function nextId(last: Pick<Checkpoint, 'id'> | undefined): string {
  return idAfter(last?.id)
}

/** The partition of the checkpoint after this one. */
export function dayAfter(last: Pick<Checkpoint, 'at'> | undefined): string | undefined {
  return last?.at.slice(0, 10)
}
