import { randomUUID } from 'node:crypto'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { type Container, CosmosClient } from '@azure/cosmos'
import { Client } from 'pg'
import { database } from '../../infra/local/containers.ts'
import { demoDatabase } from '../../infra/local/postgresql/demo-database.ts'
import { scramVerifier } from '../../shared/credentials/scram-verifier.ts'
import type { Places, Told } from './mint-parts.ts'

// The process that does the parts of a mint: outside of the stand-ins' own process, as a gateway is.

/** About as long as a lease's document and a record. */
const payload = 'x'.repeat(3_000)

const { cosmos, postgresql } = JSON.parse(process.env['MINT_PARTS'] ?? '') as Places
const ready = open()
process.on('message', ({ count }: { count: number }) => {
  ready
    .then(parts => measured(parts, count))
    .catch((error: unknown): Told => ({ failed: error instanceof Error ? error.message : String(error) }))
    .then(told => process.send?.(told))
    .catch(() => process.exit(1))
})
process.on('disconnect', () => process.exit(0))

interface Parts {
  readonly client: Client
  readonly leases: Container
  readonly verifier: string
}

async function open(): Promise<Parts> {
  setDefaultCACertificates([...getCACertificates('bundled'), cosmos.ca])
  const { ca, ...login } = postgresql
  const client = new Client({ ...login, ssl: { ca, allowPartialTrustChain: true, rejectUnauthorized: true } })
  await client.connect()
  const getToken = async () => ({ token: cosmos.token, expiresOnTimestamp: Date.now() + 3_600_000 })
  const documents = new CosmosClient({ endpoint: cosmos.endpoint, aadCredentials: { getToken } })
  const leases = documents.database(database).container('leases')
  return { client, leases, verifier: await scramVerifier(randomUUID()) }
}

async function measured(parts: Parts, count: number): Promise<Told> {
  const times: number[] = []
  for (let index = 0; index < count; index++) {
    const begun = performance.now()
    await once(parts)
    times.push(performance.now() - begun)
  }
  return { times }
}

/** The account stays, as a mint's does: a server bears each new one harder that has many of one minter. */
async function once({ client, leases, verifier }: Parts): Promise<void> {
  const id = randomUUID()
  const name = client.escapeIdentifier(`bench_${id}`)
  const { read } = demoDatabase.scopes
  await client.query('SELECT clock_timestamp()')
  await client.query(
    `BEGIN; CREATE ROLE ${name} LOGIN NOINHERIT CONNECTION LIMIT 10 PASSWORD ${client.escapeLiteral(verifier)}
       VALID UNTIL '2099-01-01' IN ROLE ${read}; ALTER ROLE ${name} SET role = ${read}; COMMIT`,
  )
  for (const part of ['a', 'b']) await leases.items.create({ id: part, slot: id, ttl: 60, payload })
}
