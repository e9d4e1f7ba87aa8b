import type { Checkpoint } from './checkpoint.ts'
import { hourOfStream } from './checkpoint-hours.ts'
import { hashOf } from './record-hash.ts'
import { idOf, numberOf } from './record-id.ts'
import { asRegistration } from './registration.ts'
import { asDocument, kindOfDocument, type LogDocument, textOf } from './verify-document.ts'
import type { Finding } from './verify-finding.ts'
import type { NotedStreams } from './verify-stream-notes.ts'

/** Notes what the index of a log says of its streams. */
export interface IndexReading {
  /** A registration, or the first record of a stream. */
  take(document: LogDocument): void
  /** The next checkpoint, where its signature is good. */
  takeHeads(checkpoint: Checkpoint | undefined): void
  /** Of which all documents must be: the one that was asked for, else that of the first checkpoint. */
  deployment(): string | undefined
}

export interface IndexReadingOptions {
  readonly streams: NotedStreams
  /** Which all documents must name, where it is given. */
  readonly deployment: string | undefined
  report(finding: Finding): void
}

/** Begins to read an index. */
export function indexReading({ streams, deployment, report }: IndexReadingOptions): IndexReading {
  let expected = deployment
  let before: Checkpoint | undefined

  function takeRegistration(document: LogDocument): void {
    const registration = asRegistration(document)
    if (!registration) {
      const because = 'its members are not those of a registration, or do not agree: it registers nothing'
      report({ kind: 'inserted', subject: 'registration', id: textOf(document['id']), because })
      return
    }
    const notes = streams.of(registration.stream)
    if (notes) notes.registered ??= registration.deployment
  }

  /** The first record of a stream, as it is to be found again among the records. */
  function takeOpening(document: LogDocument, stream: string): void {
    const notes = streams.of(stream)
    if (!notes || notes.opening || document['kind'] !== 'stream' || document['id'] !== idOf(1)) return
    const [unresolved, taken] = [unresolvedIn(document), predecessorIn(document)]
    notes.opening = {
      hash: hashOf(document),
      ...(unresolved !== undefined && { unresolved }),
      ...(taken && { predecessor: { stream: taken.stream, number: taken.number } }),
    }
    if (taken) streams.of(taken.stream)?.claims.push({ number: taken.number, hash: taken.hash, by: stream })
  }

  function checkDeployment({ id, deployment: found }: Checkpoint): void {
    expected ??= found
    if (found === expected) return
    report({ kind: 'foreign', subject: 'checkpoint', id, because: `it is of deployment ${textOf(found)}` })
  }

  /** Whoever can have a stream signed that is long over can have it look as if it had always been there. */
  function isSignedLate(stream: string, { id, at }: Checkpoint): boolean {
    if (!before || hourOfStream(stream) >= before.openSince) return false
    const because = `checkpoint ${id} of ${at} signs it, though checkpoint ${before.id} had done with its hour`
    report({ kind: 'misdated', subject: 'stream', stream, because })
    return true
  }

  return {
    take(document) {
      const stream = document['stream']
      if (kindOfDocument(document) === 'record' && typeof stream === 'string') takeOpening(document, stream)
      else takeRegistration(document)
    },
    takeHeads(checkpoint) {
      if (!checkpoint) return
      checkDeployment(checkpoint)
      const { id: by, at, heads } = checkpoint
      for (const { stream, id, hash } of heads) {
        const number = numberOf(id)
        if (number === undefined || isSignedLate(stream, checkpoint)) continue
        streams.of(stream)?.anchors.push({ number, hash, by: `checkpoint ${by}`, at })
      }
      before = checkpoint
    },
    deployment: () => expected,
  }
}

/** The range that a stream left open, in words. */
function unresolvedIn(opening: LogDocument): string | undefined {
  const left = asDocument(opening['unresolved'])
  return left && `stream ${textOf(left['stream'])}, records ${textOf(left['from'])} to ${textOf(left['to'])}`
}

/** The record that a stream takes over from. */
function predecessorIn(opening: LogDocument) {
  const { stream, id, hash } = asDocument(opening['predecessor']) ?? {}
  const number = numberOf(id)
  return typeof stream === 'string' && typeof hash === 'string' && number !== undefined
    ? { stream, number, hash }
    : undefined
}
