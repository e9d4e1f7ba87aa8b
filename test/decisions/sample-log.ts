import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { type Checkpoint, signedText } from '../../shared/decisions/checkpoint.ts'
import { recordHash } from '../../shared/decisions/record-hash.ts'

/** Any document, which tests may alter. */
export type Document = Record<string, unknown>

/** A log of the documented format, written by hand: records by stream, in order. */
export interface SampleLog {
  readonly publicKey: KeyObject
  readonly registrations: Document[]
  readonly streams: Map<string, Document[]>
  readonly checkpoints: Document[]
  /** Opens a stream that takes over from the end of another. */
  open(stream: string, predecessor?: string, more?: Document): void
  /** Writes records; resolves nothing, remembers nothing. */
  write(stream: string, count: number, at?: string): void
  /** Signs the heads of all streams that the checkpoint before it had not done with, or of those that are named. */
  sign(at: string, named?: readonly string[], openSince?: string): void
}

/** The version of the key by which checkpoints are signed. */
export const keyId = 'https://corp-vault.vault.azure.net/keys/causeway-checkpoints/0123456789abcdef0123456789abcdef'

export function sampleLog(): SampleLog {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const registrations: Document[] = []
  const streams = new Map<string, Document[]>()
  const checkpoints: Document[] = []
  let decision = 0

  function append(stream: string, content: Document): void {
    const records = streams.get(stream) ?? []
    streams.set(stream, records)
    const last = records.at(-1)
    const id = String(records.length + 1).padStart(12, '0')
    const place = { schema: 1, stream, id, deployment: 'test', previous: last ? recordHash(last) : null }
    records.push({ ...place, at: `${stream.slice(0, 13)}:10:00.000Z`, ...content, ttl: 34_560_000 })
  }

  function head(stream: string) {
    const last = streams.get(stream)?.at(-1)
    return last ? { stream, id: String(last['id']), hash: recordHash(last) } : undefined
  }

  return {
    publicKey,
    registrations,
    streams,
    checkpoints,
    open(stream, predecessor, more = {}) {
      const [hour, boot, lane] = stream.split('/')
      const openedAt = `${hour}:10:00.000Z`
      const id = stream.replaceAll('/', '_')
      const place = { schema: 1, id, hour, stream, boot, lane: Number(lane) }
      registrations.push({ ...place, deployment: 'test', openedAt, ttl: 34_646_400 })
      append(stream, {
        kind: 'stream',
        outcome: 'opened',
        predecessor: (predecessor && head(predecessor)) || null,
        ...more,
      })
    },
    write(stream, count, at = `${stream.slice(0, 13)}:20:00.000Z`) {
      for (let number = 0; number < count; number++) {
        decision += 1
        append(stream, {
          at,
          kind: 'exchange',
          decision: `decision-${decision}`,
          outcome: 'allowed',
          note: 'é€ "\u2028',
        })
      }
    },
    sign(at, named, openSince = at.slice(0, 13)) {
      const previous = checkpoints.at(-1)
      const open = [...streams.keys()].filter(stream => stream >= String(previous?.['openSince'] ?? ''))
      const unsigned: Omit<Checkpoint, 'signature'> = {
        schema: 1,
        id: String(checkpoints.length + 1).padStart(12, '0'),
        day: String(previous?.['at'] ?? at).slice(0, 10),
        deployment: 'test',
        at,
        previous: previous ? recordHash(previous) : null,
        openSince,
        heads: (named ?? open).flatMap(stream => head(stream) ?? []),
        open: open.length,
        key: { kid: keyId, alg: 'ES256' },
        ttl: 34_646_400,
      }
      const signature = sign('sha256', Buffer.from(signedText(unsigned)), {
        key: privateKey,
        dsaEncoding: 'ieee-p1363',
      })
      checkpoints.push({ ...unsigned, signature: signature.toString('base64url') })
    },
  }
}

const boot = (digit: number) => `${digit}0000000-0000-4000-8000-000000000000`

/** The streams of {@link twoHours}: two processes, the first of which lives in two hours and opens a second lane. */
export const [first, second, third, fourth] = [
  `2026-06-01T12/${boot(1)}/0`,
  `2026-06-01T12/${boot(2)}/0`,
  `2026-06-01T13/${boot(1)}/0`,
  `2026-06-01T13/${boot(1)}/1`,
] as const

/** A log of four streams and five checkpoints, two records of which no checkpoint names. */
export function twoHours(): SampleLog {
  const log = sampleLog()
  log.open(first)
  log.write(first, 6)
  log.open(second)
  log.write(second, 3)
  log.sign('2026-06-01T12:30:30.000Z')
  log.write(first, 5, '2026-06-01T12:40:00.000Z')
  log.sign('2026-06-01T12:45:30.000Z', [first])
  log.sign('2026-06-01T12:46:30.000Z', [])
  log.open(third, first)
  log.write(third, 8)
  log.sign('2026-06-01T13:25:30.000Z', [third])
  log.open(fourth, third)
  log.write(fourth, 4)
  log.sign('2026-06-01T13:30:30.000Z', [fourth])
  log.write(fourth, 2, '2026-06-01T13:31:00.000Z')
  return log
}

/** Every document, as exports hold them: records by stream and id. */
export function documentsOf({ registrations, streams, checkpoints }: SampleLog): Document[] {
  return [...registrations, ...[...streams.values()].flat(), ...checkpoints]
}
