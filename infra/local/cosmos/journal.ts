import { appendFileSync, closeSync, createReadStream, existsSync, ftruncateSync, openSync } from 'node:fs'
import { mkdir, truncate } from 'node:fs/promises'
import { dirname } from 'node:path'

/**
 * An append-only file of JSON lines, one per commit. A line is handed to the operating system before `append` returns,
 * so it survives the end of this process; it is not synced, so it may not survive the end of the machine.
 */
export class Journal {
  readonly #file: number
  #size: number

  constructor(path: string, size: number) {
    this.#file = openSync(path, 'a')
    this.#size = size
  }

  /** Throws where the disk refuses, and leaves no part of the line behind. */
  append(line: string): void {
    const bytes = Buffer.from(`${line}\n`)
    try {
      appendFileSync(this.#file, bytes)
    } catch (error) {
      ftruncateSync(this.#file, this.#size)
      throw error
    }
    this.#size += bytes.length
  }

  close(): void {
    closeSync(this.#file)
  }
}

/**
 * Replays the journal at `path` and opens it for more. A last line without its end is what a crash leaves of a commit
 * that nobody was told of: it is cut off. Any other line that cannot be read throws.
 */
export async function openJournal(path: string, replay: (commit: unknown) => void): Promise<Journal> {
  await mkdir(dirname(path), { recursive: true })
  if (!existsSync(path)) return new Journal(path, 0)
  let size = 0
  for await (const line of completeLines(path)) {
    replay(JSON.parse(line.toString('utf8')))
    size += line.length + 1
  }
  await truncate(path, size)
  return new Journal(path, size)
}

async function* completeLines(path: string): AsyncGenerator<Buffer> {
  let rest: Buffer[] = []
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
    let start = 0
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      yield Buffer.concat([...rest, chunk.subarray(start, end)])
      rest = []
      start = end + 1
    }
    rest.push(chunk.subarray(start))
  }
}
