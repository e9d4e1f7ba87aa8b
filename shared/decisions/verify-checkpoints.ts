import { type KeyObject, verify } from 'node:crypto'
import { type Checkpoint, checkpointDocument, nextId, signedText } from './checkpoint.ts'
import { hashOf } from './record-hash.ts'
import { idOf, numberOf } from './record-id.ts'
import { type LogDocument, textOf } from './verify-document.ts'
import type { Finding } from './verify-finding.ts'

/** The public key that a checkpoint names; undefined where it is none of those that are trusted. */
export type FindKey = (kid: string) => Promise<KeyObject | undefined>

/** What is known of the checkpoints, once all were seen. */
export interface CheckpointVerdict {
  readonly count: number
  readonly first?: Pick<Checkpoint, 'id' | 'at'>
  readonly last?: Pick<Checkpoint, 'id' | 'at' | 'openSince'>
}

/** Checks the chain of checkpoints, one after the other. */
export interface CheckpointCheck {
  /** The checkpoint, where its signature is good: only then do its heads count. */
  take(document: LogDocument): Promise<Checkpoint | undefined>
  /** Of every checkpoint that was taken, by its number. */
  readonly hashes: ReadonlyMap<number, string | undefined>
  verdict(): CheckpointVerdict
}

/** Findings go to `report`. The chain may begin in its middle where what is there first is older than `horizon`. */
export function checkpointCheck(
  findKey: FindKey,
  horizon: string,
  report: (finding: Finding) => void,
): CheckpointCheck {
  let before: { readonly id: string; readonly hash: string | undefined } | undefined
  let verdict: CheckpointVerdict = { count: 0 }
  const hashes = new Map<number, string | undefined>()

  const find = (kind: Finding['kind'], id: unknown, because: string) =>
    report({ kind, subject: 'checkpoint', id: textOf(id), because })

  /** Whether it stands where its number says, after the one that it names. */
  function checkPlace({ id, previous, at }: LogDocument, number: number): void {
    if (!before) {
      if (number === 1 ? previous !== null : typeof at !== 'string' || at >= horizon) {
        const first = 'the first checkpoint that is there neither begins the chain nor is older than the horizon'
        find('missing', idOf(Math.max(number - 1, 1)), first)
      }
      return
    }
    const expected = nextId(before)
    if (id === expected) {
      if (previous !== before.hash) find('altered', before.id, `its hash is not what checkpoint ${expected} says`)
    } else if (idOf(number) > expected) find('missing', expected, `checkpoint ${idOf(number)} stands in its place`)
    else find('inserted', id, `it stands after checkpoint ${before.id}`)
  }

  return {
    async take(document) {
      const number = numberOf(document['id'])
      if (number === undefined) {
        find('inserted', document['id'], 'its id is no number of a checkpoint')
        return undefined
      }
      checkPlace(document, number)
      const hash = hashOf(document)
      hashes.set(number, hash)
      before = { id: idOf(number), hash }
      const checkpoint = checkpointDocument.safeParse(document)
      const problem = checkpoint.success ? await problemOf(checkpoint.data, document, findKey) : 'it is not well-formed'
      if (problem !== undefined) find('altered', document['id'], problem)
      if (problem !== undefined || !checkpoint.success) return undefined
      const { id, at, openSince } = checkpoint.data
      verdict = { count: verdict.count + 1, first: verdict.first ?? { id, at }, last: { id, at, openSince } }
      return checkpoint.data
    },
    hashes,
    verdict: () => verdict,
  }
}

/** Why a checkpoint's signature proves nothing; undefined where it is good. */
async function problemOf(
  { key: { kid }, signature }: Checkpoint,
  document: LogDocument,
  findKey: FindKey,
): Promise<string | undefined> {
  const key = await findKey(kid)
  if (!key) return `it is signed by ${kid.slice(0, 300)}, which is not the given key`
  const bytes = Buffer.from(signature, 'base64url')
  try {
    const isGood = verify('sha256', Buffer.from(signedText(document)), { key, dsaEncoding: 'ieee-p1363' }, bytes)
    // Another spelling of the same bytes is another document.
    if (isGood && bytes.toString('base64url') === signature) return undefined
  } catch {
    // Text that is no Unicode, or a key of another kind: not what was signed.
  }
  return 'its signature is not of what it says'
}
