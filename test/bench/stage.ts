import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Host, startHost } from '../../infra/local/host/spawn.ts'
import { startGateway, workerArguments } from '../../infra/local/stack.ts'
import { type Surroundings, startSurroundings } from '../../infra/local/surroundings.ts'
import { type LoadGenerator, startLoadGenerator } from './load.ts'
import { makeNoopApp } from './noop-app.ts'
import { makeSingleWritesApp } from './single-writes-app.ts'

/** What parts measure on, started once, by the first part that needs it. */
export interface Stage {
  load(): LoadGenerator
  /** A function app of one function, `POST /noop`, which does nothing. */
  noop(): Promise<Host>
  surroundings(): Promise<Surroundings>
  gateway(): Promise<Host>
  /** A gateway whose decision log writes each record by itself. */
  singleWrites(): Promise<Host>
  /** Starts a gateway that no part has used. Whoever asked for it stops it. */
  freshGateway(): Promise<Host>
  /** What gateways printed last, but for records of what was allowed: why a run failed. */
  readonly complaints: readonly string[]
  stop(): Promise<void>
}

const keptComplaints = 10

/** A few callers stand for a whole cluster here: what one pod may ask must not be what is measured. */
const unlimited = { CAUSEWAY_WORKLOAD_RATE: '100000', CAUSEWAY_ISSUER_RATE: '1000000' }

/** Starts nothing until it is asked for. */
export function openStage(): Stage {
  const stops: (() => unknown)[] = []
  const folder = onceOnly(() => {
    const made = mkdtempSync(join(tmpdir(), 'causeway-bench-'))
    stops.push(() => rmSync(made, { recursive: true, force: true }))
    return made
  })
  const load = onceOnly(() => {
    const generator = startLoadGenerator()
    stops.push(generator.stop)
    return generator
  })
  const noop = onceOnly(() => stopped(startNoop(folder())))
  const surroundings = onceOnly(() => stopped(startSurroundings(join(folder(), 'stack'))))
  const complaints: string[] = []
  const startWith = async (settings: Readonly<Record<string, string>>) =>
    startGateway(await surroundings(), { settings: { ...unlimited, ...settings }, onOutput: keepComplaint })
  const freshGateway = () => startWith({})
  const gateway = onceOnly(async () => {
    await surroundings()
    return stopped(freshGateway())
  })
  const singleWrites = onceOnly(async () => {
    await surroundings()
    return stopped(makeSingleWritesApp(folder()).then(startWith))
  })

  function keepComplaint(line: string): void {
    if (!line.includes('"outcome":"allowed"')) complaints.splice(0, complaints.push(line) - keptComplaints)
  }

  /** What is still starting when everything ends is stopped as well. */
  function stopped<T extends { stop(): Promise<void> }>(starting: Promise<T>): Promise<T> {
    stops.push(() =>
      starting.then(
        running => running.stop(),
        () => undefined,
      ),
    )
    return starting
  }
  return {
    load,
    noop,
    surroundings,
    gateway,
    singleWrites,
    freshGateway,
    complaints,
    async stop() {
      for (const stop of stops.splice(0).reverse()) await stop()
    },
  }
}

async function startNoop(folder: string): Promise<Host> {
  await makeNoopApp(folder)
  return startHost({ app: folder, env: { languageWorkers__node__arguments: workerArguments } })
}

function onceOnly<T>(start: () => T): () => T {
  let started: { readonly result: T } | undefined
  return () => {
    started ??= { result: start() }
    return started.result
  }
}
