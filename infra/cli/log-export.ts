import { createReadStream } from 'node:fs'
import { asDocument, kindOfDocument, type LogDocument } from '../../shared/decisions/verify-document.ts'
import type { Finding } from '../../shared/decisions/verify-finding.ts'
import type { OpenLog } from './verify-log.ts'

/** Members that what belongs in the index must have: lines without any of them are not parsed twice. */
const ofIndex = ['"heads"', '"openedAt"', '"predecessor"']
const reportedLines = 100

/** Reads a JSON Lines export, twice, a piece at a time. */
export function openExport(path: string): OpenLog {
  const problems: Finding[] = []

  async function* index() {
    for await (const line of linesOf(path)) {
      const document = ofIndex.some(member => line.includes(member)) && documentOf(line)
      if (document && (kindOfDocument(document) !== 'record' || document['kind'] === 'stream')) yield document
    }
  }

  async function* records() {
    let number = 0
    for await (const line of linesOf(path)) {
      number += 1
      if (line.trim() === '') continue
      const document = documentOf(line)
      const kind = document && kindOfDocument(document)
      if (document && kind === 'record') yield document
      else if (!kind && problems.length < reportedLines) problems.push(problemOf(number, document))
    }
  }

  return { index: index(), records: records(), problems, close: () => undefined }
}

function documentOf(line: string): LogDocument | undefined {
  try {
    return asDocument(JSON.parse(line))
  } catch {
    return undefined
  }
}

function problemOf(line: number, document: LogDocument | undefined): Finding {
  const because = document ? 'is neither a record nor a registration nor a checkpoint' : 'is no JSON object'
  return { kind: 'unreadable', subject: 'document', because: `line ${line} ${because}` }
}

/** Lines end with a line feed and nothing else: text may hold what others take for the end of a line. */
async function* linesOf(path: string): AsyncGenerator<string> {
  let rest = ''
  for await (const chunk of createReadStream(path, { encoding: 'utf8', highWaterMark: 1 << 20 })) {
    const lines = `${rest}${chunk}`.split('\n')
    rest = lines.pop() ?? ''
    yield* lines
  }
  if (rest !== '') yield rest
}
