import { asDocument, kindOfDocument, type LogDocument } from '../../shared/decisions/verify-document.ts'
import type { Finding } from '../../shared/decisions/verify-finding.ts'
import { documentIn, type Line, linesOf } from './json-lines.ts'
import type { OpenLog } from './verify-log.ts'

/** Members that what belongs in the index must have, by their only spelling: lines without any are not parsed twice. */
const ofIndex = ['"heads"', '"openedAt"', '"predecessor"']
const reportedLines = 100

/** Reads a JSON Lines export, twice, a piece at a time. */
export function openExport(path: string): OpenLog {
  const problems: Finding[] = []

  async function* index() {
    for await (const { text } of linesOf(path)) {
      const document = text !== undefined && ofIndex.some(member => text.includes(member)) && documentIn(text)
      const kind = document ? kindOfDocument(document) : undefined
      if (document && kind && (kind !== 'record' || document['kind'] === 'stream')) yield document
    }
  }

  async function* records() {
    let omitted = 0
    for await (const line of linesOf(path)) {
      if (line.text?.trim() === '') continue
      const document = line.text === undefined ? undefined : documentIn(line.text)
      const kind = document && kindOfDocument(document)
      if (document && kind === 'record') yield document
      else if (!kind && problems.length < reportedLines) problems.push(problemOf(line, document))
      else if (!kind) omitted += 1
    }
    if (omitted > 0) problems.push(unreadable(`so are ${omitted} more lines`))
  }

  return { index: index(), records: records(), problems, close: () => undefined }
}

/** Checkpoints as they were printed, among whatever else was printed. */
export async function* readCopies(path: string): AsyncGenerator<LogDocument> {
  for await (const { text } of linesOf(path)) {
    const document = text?.includes('"heads"') ? documentIn(text.trim()) : undefined
    if (document && kindOfDocument(document) === 'checkpoint') yield document
  }
}

function problemOf({ number, text }: Line, document: LogDocument | undefined): Finding {
  if (document) return unreadable(`line ${number} is neither a record nor a registration nor a checkpoint`)
  if (text === undefined) return unreadable(`line ${number} is longer than any document`)
  return unreadable(`line ${number} is ${isJson(text) ? 'not written as the gateway exports it' : 'no JSON object'}`)
}

function isJson(text: string): boolean {
  try {
    return asDocument(JSON.parse(text)) !== undefined
  } catch {
    return false
  }
}

function unreadable(because: string): Finding {
  return { kind: 'unreadable', subject: 'document', because }
}
