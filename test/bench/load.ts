import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { ask } from './ask.ts'

/** Requests to be sent: POSTs of forms to one URL. */
export interface Load {
  readonly url: string
  /** Sent in turn, over and over. */
  readonly forms: readonly string[]
  /** Concurrent callers: each waits for its answer before it asks again. */
  readonly callers: number
  /** It ends after so many seconds, or after so many requests. */
  readonly until: { readonly seconds: number } | { readonly requests: number }
  /** What every answer must be: 200 unless said. */
  readonly expected?: number
}

/** What came back. */
export interface Answered {
  /** Answers of the expected status, and how many there were a second. */
  readonly answers: number
  readonly rate: number
  /** Milliseconds from the first byte sent to the last received. */
  readonly latency: { readonly p25: number; readonly p50: number; readonly p75: number; readonly p99: number }
  /** The share of one core that the generator itself used. */
  readonly generatorShare: number
}

/** What the generator tells: `refused` is the first answer of another status. */
export type Report = { readonly done: Answered } | { readonly refused: string } | { readonly failed: string }

export interface LoadGenerator {
  /** Rejects where anything else was answered than was expected: a benchmark of mistakes measures nothing. */
  run(load: Load): Promise<Answered>
  stop(): void
}

const main = fileURLToPath(new URL('load-generator.ts', import.meta.url))

/** Starts the process that makes the load. It ends with this one. */
export function startLoadGenerator(): LoadGenerator {
  const child = fork(main, [], { execArgv: [] })
  return {
    run: load => report(child, load),
    stop: () => child.disconnect(),
  }
}

async function report(child: ChildProcess, load: Load): Promise<Answered> {
  const told = await ask<Report>(child, load)
  if ('done' in told) return told.done
  throw new Error(
    `${load.url}: ${'refused' in told ? `expected ${load.expected ?? 200} only, got ${told.refused}` : told.failed}`,
  )
}
