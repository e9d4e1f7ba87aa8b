import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Account } from '../../../shared/credentials/credential-provider.ts'

/** What a process needs for a minter of its own. */
export interface Opening {
  readonly kind: string
  readonly settings: unknown
  readonly secrets: readonly (readonly [string, { readonly text: string; readonly version: string }])[]
  /** Where its leases are, where it holds any: the stand-in's URL. */
  readonly cosmos?: string
}

/** What it is told to do. An exchange holds a lease of the target, and mints or describes its account. */
export type Order =
  | { readonly open: Opening }
  | { readonly mint: Account<unknown>; readonly secret: string }
  | { readonly revoke: Account<unknown> }
  | { readonly exchange: string; readonly meanings: readonly unknown[] }

/** What became of it. A failure tells its class, and all that could be printed of it. */
export type Outcome =
  | { readonly done: unknown }
  | { readonly failed: { readonly name: string; readonly reason: string; readonly shown: string } }

/** An exchange as its caller sees it. */
export interface Exchanged {
  readonly account: string
  readonly password: string
  readonly minted: boolean
}

/** Another instance of the gateway: a process with a minter and leases of its own. */
export interface OtherProcess {
  carryOut(order: Order): Promise<Outcome>
  stop(): Promise<void>
}

const main = fileURLToPath(new URL('other-process-main.ts', import.meta.url))

/** Starts one; it ends with this process. `trusted` is the file of the authority that it trusts beside the usual ones. */
export async function startOtherProcess(opening: Opening, trusted?: string): Promise<OtherProcess> {
  const env = { ...process.env, ...(trusted !== undefined && { NODE_EXTRA_CA_CERTS: trusted }) }
  const child = fork(main, [], { execArgv: [], env })
  const other = { carryOut: (order: Order) => answered(child, order), stop: () => ended(child) }
  const opened = await other.carryOut({ open: opening })
  if ('failed' in opened) throw new Error(`the process could not open its minter: ${opened.failed.shown}`)
  return other
}

function answered(child: ChildProcess, order: Order): Promise<Outcome> {
  const { promise, resolve, reject } = Promise.withResolvers<Outcome>()
  const gone = () => reject(new Error('the other process has ended'))
  child.once('message', resolve)
  child.once('exit', gone)
  child.send(order, error => error && reject(error))
  return promise.finally(() => {
    child.off('message', resolve)
    child.off('exit', gone)
  })
}

async function ended(child: ChildProcess): Promise<void> {
  const exited = new Promise(resolve => child.once('exit', resolve))
  child.disconnect()
  await exited
}
