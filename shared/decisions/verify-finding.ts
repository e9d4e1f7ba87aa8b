/** What can be wrong with a log. */
export type FindingKind =
  /** Its hash is not what was chained or signed. */
  | 'altered'
  /** A record or checkpoint that must be there is not, with others after it. */
  | 'missing'
  /** It was put in: no place in the chain is its own. */
  | 'inserted'
  /** It says to be of a time at which it cannot have been written where it stands. */
  | 'misdated'
  /** Nothing that was signed leads to a stream that the signed checkpoints must have seen. */
  | 'unsigned'
  /** It stands in the place of another. */
  | 'swapped'
  /** The end of a stream, below what was signed, is gone. */
  | 'cut'
  /** A stream of which a head was signed is not there at all. */
  | 'removed'
  /** A stream has records, or a signed head, and was never registered, or its registration is gone. */
  | 'unregistered'
  /** It says to be of another deployment. */
  | 'foreign'
  /** A copy of a checkpoint is not of the chain that is there. */
  | 'contradicted'
  /** A document that is none of a log's, or not JSON. */
  | 'unreadable'

/** One thing that is wrong, and where it is first seen. */
export interface Finding {
  readonly kind: FindingKind
  readonly subject: 'record' | 'stream' | 'registration' | 'checkpoint' | 'document'
  readonly stream?: string
  /** The first record, or the checkpoint. */
  readonly id?: string
  /** Why, in words that an auditor understands. */
  readonly because: string
}

/** The most that is shown of a name. */
const longest = 200

/** A finding as a sentence, of bounded length. What is quoted in it may be anything. */
export function describeFinding({ kind, subject, stream, id, because }: Finding): string {
  const place = [
    stream !== undefined && `stream ${stream.slice(0, longest)}`,
    id !== undefined && `${subject} ${id.slice(0, longest)}`,
  ].filter(Boolean)
  return `${place.length > 0 ? place.join(', ') : subject}: ${kind}: ${because.slice(0, 5 * longest)}`
}
