import { createReadStream } from 'node:fs'
import { asDocument, type LogDocument } from '../../shared/decisions/verify-document.ts'

/** No document of the log is as long: a record has 32 KiB, Cosmos DB takes 2 MB. In UTF-16 units. */
const longestLine = 1_000_000

/** A line of a file; no text where it is longer than any document. */
export interface Line {
  readonly number: number
  readonly text: string | undefined
}

/** Reads a file a piece at a time. Lines end with a line feed and nothing else: text may hold what others take for one. */
export async function* linesOf(path: string): AsyncGenerator<Line> {
  let [rest, number, isTooLong] = ['', 0, false]
  const line = (text: string): Line => {
    number += 1
    return { number, text: isTooLong || text.length > longestLine ? undefined : text.replace(/\r$/, '') }
  }
  for await (const chunk of createReadStream(path, { encoding: 'utf8', highWaterMark: 1 << 20 })) {
    // A byte order mark is no part of the first document.
    const text = number === 0 && rest === '' && !isTooLong ? withoutMark(String(chunk)) : String(chunk)
    const lines = `${rest}${text}`.split('\n')
    rest = lines.pop() ?? ''
    for (const each of lines) {
      yield line(each)
      isTooLong = false
    }
    if (rest.length <= longestLine) continue
    isTooLong = true
    rest = ''
  }
  if (rest !== '' || isTooLong) yield line(rest)
}

function withoutMark(text: string): string {
  return text.startsWith('\ufeff') ? text.slice(1) : text
}

/**
 * The document of a line that is written as `JSON.stringify` writes; undefined for any other. Elsewhere a member could
 * stand twice, or under an escaped name, or be a number with more digits than are read: then a person, or another program,
 * would read something else in the line than what is proven.
 */
export function documentIn(line: string): LogDocument | undefined {
  try {
    const document = asDocument(JSON.parse(line))
    return document && JSON.stringify(document) === line ? document : undefined
  } catch {
    return undefined
  }
}
