import { createServer } from 'node:net'
import { join } from 'node:path'
import { z } from 'zod'
import { keepJson, readKeptJson } from './kept-json.ts'
import { bind } from './listener.ts'

/** The ports of a stack's parts, kept so that a restart finds them where documents and leases say they are. */
export interface KeptPorts {
  /** The port that a part had the last time, for its options: nothing where it has had none yet. */
  of(part: string): { readonly port?: number }
  keep(urls: Readonly<Record<string, string>>): void
}

export function openPorts(dir: string): KeptPorts {
  const path = join(dir, 'ports.json')
  const kept = z.record(z.string(), z.int()).parse(readKeptJson(path) ?? {})
  return {
    of: part => (kept[part] === undefined ? {} : { port: kept[part] }),
    keep: urls => keepJson(path, Object.fromEntries(Object.entries(urls).map(([part, url]) => [part, portOf(url)]))),
  }
}

function portOf(url: string): number {
  return Number(new URL(url).port)
}

/**
 * Starts what binds its port by itself, later: a port that was free may be another's by then. Unless one was asked for,
 * it is started on another one. Throws "port N is in use" where it was, and what `start` throws otherwise.
 */
export async function startOnFreePort<T>(wanted: number | undefined, start: (port: number) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    const port = await freePort(wanted)
    try {
      return await start(port)
    } catch (error) {
      if (wanted || attempt === 5 || !/\bin use\b/.test(String(error))) throw error
    }
  }
}

/** That port if it is free, else "port N is in use"; without one, any that is free. */
export async function freePort(wanted = 0): Promise<number> {
  const server = createServer()
  const port = await bind(server, wanted)
  await new Promise(resolve => server.close(resolve))
  return port
}
