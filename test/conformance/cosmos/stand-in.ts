import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { CosmosClient, type Database, type RetryOptions } from '@azure/cosmos'
import { openCertificateAuthority } from '../../../infra/local/certificate-authority.ts'
import { type CosmosOptions, type LocalCosmos, startCosmos } from '../../../infra/local/cosmos/server.ts'

/** The account that `CAUSEWAY_COSMOS_ENDPOINT` names, for which a stand-in's own controls do not exist. */
export const realEndpoint = process.env['CAUSEWAY_COSMOS_ENDPOINT']

/** Why tests of the stand-in's own controls are skipped, for their titles. */
export const standInOnly = realEndpoint ? ' (skipped: a real account has no such control)' : ''

/** A stand-in for one test file, and clients of it. */
export interface StandIn {
  readonly dir: string
  readonly cosmos: LocalCosmos
  /** The database as the holder of this token sees it; tokens are `token-of-<identity>`. */
  database(token?: string, retryOptions?: RetryOptions): Database
  /** Stops the server and starts another one on what it left behind. */
  restart(): Promise<StandIn>
  stop(): Promise<void>
}

/** Starts a stand-in whose identities are whoever holds a `token-of-<identity>`, all of them allowed everything. */
export async function startStandIn(options: Partial<CosmosOptions> = {}): Promise<StandIn> {
  return startIn(await mkdtemp(join(tmpdir(), 'causeway-cosmos-')), options)
}

async function startIn(dir: string, options: Partial<CosmosOptions>): Promise<StandIn> {
  const authority = await openCertificateAuthority(dir)
  setDefaultCACertificates([...getCACertificates('bundled'), authority.certificate])
  const clients: CosmosClient[] = []
  const cosmos = await startCosmos({
    certificate: await authority.issue(),
    dir: join(dir, 'journal'),
    database: 'causeway',
    containers: [{ id: 'conformance', partitionKey: '/target', defaultTtl: -1 }],
    authenticate: async token => /^token-of-(.+)$/.exec(token)?.[1],
    authorize: () => true,
    ...options,
  })
  const end = async () => {
    for (const client of clients) client.dispose()
    await cosmos.stop()
  }
  return {
    dir,
    cosmos,
    database(token = 'token-of-tester', retryOptions = {}) {
      const client = new CosmosClient({
        endpoint: cosmos.url,
        aadCredentials: { getToken: async () => ({ token, expiresOnTimestamp: Date.now() + 3_600_000 }) },
        connectionPolicy: { retryOptions, enableBackgroundEndpointRefreshing: false },
      })
      clients.push(client)
      return client.database('causeway')
    },
    restart: async () => {
      await end()
      return startIn(dir, options)
    },
    stop: async () => {
      await end()
      await rm(dir, { recursive: true })
    },
  }
}
