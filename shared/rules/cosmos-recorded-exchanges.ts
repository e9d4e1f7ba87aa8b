import type { Container } from '@azure/cosmos'
import { askCosmos } from '../cosmos-error.ts'
import { recordedExchange } from './facts-document.ts'
import type { RecordedExchange } from './impact.ts'

type Document = Readonly<Record<string, unknown>>

/** Which records are wanted. Times are epoch milliseconds. */
export interface SampleQuery {
  /** How callers name the target: its id, and its URI where it has one. Without it, of every target. */
  readonly targets?: readonly string[] | undefined
  /** The issuer of the workload, or of who acts for it. */
  readonly issuer?: string | undefined
  readonly from: number
  readonly to: number
  readonly max: number
}

/** Recorded exchanges, the newest first, and how far they go back. */
export interface Sample {
  readonly exchanges: readonly RecordedExchange[]
  /** Records that cannot be judged again, since they are not of a form that is known. */
  readonly unreadable: number
  /** Epoch milliseconds: all that was recorded from here to the end of the range is in it. */
  readonly from: number
  /** Whether it has all of the range. */
  readonly complete: boolean
}

/** Milliseconds after which no further page is read. */
const readingTime = 8_000
const pageSize = 500

/**
 * Reads recorded exchanges, the newest first, up to so many and for so long: nobody waits for a year of records. An
 * exchange that failed after it was allowed has a second record, which is not a decision.
 */
export async function sampleExchanges(container: Container, query: SampleQuery, now: () => number): Promise<Sample> {
  const deadline = now() + readingTime
  const pages = container.items.query<Document>(spec(query), { maxItemCount: Math.min(pageSize, query.max) })
  const read: Document[] = []
  let complete = true
  while (pages.hasMoreResults()) {
    if (read.length >= query.max || now() > deadline) {
      complete = false
      break
    }
    const { resources } = await askCosmos('documents_unavailable', () => pages.fetchNext())
    read.push(...(resources ?? []))
  }
  return sampleOf(read.slice(0, query.max), { ...query, complete: complete && read.length <= query.max })
}

function sampleOf(read: readonly Document[], { from, complete }: { from: number; complete: boolean }): Sample {
  const exchanges = read.flatMap(document => recordedExchange.safeParse(document).data ?? [])
  const oldest = read.at(-1)?.['at']
  return {
    exchanges: exchanges as readonly RecordedExchange[],
    unreadable: read.length - exchanges.length,
    from: complete || typeof oldest !== 'string' ? from : Date.parse(oldest),
    complete,
  }
}

/** By what was asked for, which is indexed: what the facts say is not. */
function spec({ targets, issuer, from, to }: SampleQuery) {
  const ofTarget = targets ? ' AND ARRAY_CONTAINS(@targets, c.asked.target)' : ''
  const ofIssuer = issuer === undefined ? '' : ' AND (c.workload.issuer.id = @issuer OR c.actor.issuer.id = @issuer)'
  return {
    query:
      'SELECT c.decision, c.outcome, c.reason, c.at, c.workload, c.actor, c.client, c.facts FROM c ' +
      `WHERE c.kind = "exchange" AND c.at >= @begin AND c.at < @end AND NOT IS_DEFINED(c.follows)${ofTarget}${ofIssuer} ` +
      'ORDER BY c.at DESC',
    parameters: [
      { name: '@begin', value: new Date(from).toISOString() },
      { name: '@end', value: new Date(to).toISOString() },
      ...(targets ? [{ name: '@targets', value: [...targets] }] : []),
      ...(issuer === undefined ? [] : [{ name: '@issuer', value: issuer }]),
    ],
  }
}
