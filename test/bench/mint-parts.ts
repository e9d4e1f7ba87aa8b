import { fork } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { identities } from '../../infra/local/access.ts'
import { asSuperuser, demoDatabase } from '../../infra/local/postgresql/demo-database.ts'
import type { Surroundings } from '../../infra/local/surroundings.ts'
import { ask } from './ask.ts'

/** Where the parts of a mint are sent, and as whom. */
export interface Places {
  readonly cosmos: { readonly endpoint: string; readonly token: string; readonly ca: string }
  readonly postgresql: Readonly<Record<'host' | 'database' | 'user' | 'password' | 'ca', string>> & {
    readonly port: number
  }
}

/** What the process tells: milliseconds of each, or why it failed. */
export type Told = { readonly times: readonly number[] } | { readonly failed: string }

export interface MintParts {
  /** The times of so many, one after the other, in milliseconds. */
  run(count: number): Promise<readonly number[]>
  stop(): void
}

const main = fileURLToPath(new URL('mint-parts-main.ts', import.meta.url))

/**
 * Starts a process that does the least that any such gateway does for a mint: the same statements sent bare to the same
 * server, by a login that may do what the gateway's may, and two writes to Cosmos DB.
 */
export async function startMintParts(world: Surroundings): Promise<MintParts> {
  const child = fork(main, [], {
    execArgv: [],
    env: { ...process.env, MINT_PARTS: JSON.stringify(await places(world)) },
  })
  return {
    async run(count) {
      const answer = await ask<Told>(child, { count })
      if ('failed' in answer) throw new Error(`the parts of a mint: ${answer.failed}`)
      return answer.times
    },
    stop: () => child.disconnect(),
  }
}

async function places({ authority, cosmos, tenant, postgresql }: Surroundings): Promise<Places> {
  const { host, port, certificate } = postgresql
  const login = { user: 'bench_minter', password: randomUUID() }
  await asSuperuser(postgresql, demoDatabase.database, client =>
    client.query(`CREATE ROLE ${login.user} LOGIN CREATEROLE PASSWORD ${client.escapeLiteral(login.password)};
      GRANT ${demoDatabase.scopes.read} TO ${login.user} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE`),
  )
  const { clientId, objectId } = identities.infra
  const token = await tenant.sign({ aud: cosmos.url, azp: clientId, oid: objectId })
  return {
    cosmos: { endpoint: cosmos.url, token, ca: authority.certificate },
    postgresql: { host, port, database: demoDatabase.database, ...login, ca: certificate },
  }
}
