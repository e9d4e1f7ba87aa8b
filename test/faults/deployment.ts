import { type Container, CosmosClient } from '@azure/cosmos'
import { openCertificateAuthority } from '../../infra/local/certificate-authority.ts'
import type { DocumentAction, Faults } from '../../infra/local/cosmos/server.ts'
import { type KeyVaultOptions, type LocalKeyVault, startKeyVault } from '../../infra/local/key-vault/key-vault.ts'
import type { Issued } from '../../shared/exchange-credential.ts'
import type { Lease } from '../../shared/leases/lease.ts'
import { startStandIn } from '../conformance/cosmos/stand-in.ts'
import { type Fixture, startFixture } from '../credentials/postgresql-fixture.ts'
import type { Clock } from '../leases/lease-store.ts'
import { allow, noon, type RuleDocument } from '../rules/facts.ts'
import { type Door, openDoor } from './door.ts'
import { type Instance, openInstance, type Pause } from './instance.ts'

/** A record as it stands in Cosmos DB. */
export interface StoredRecord {
  readonly kind: string
  readonly outcome: string
  readonly decision: string
  readonly reason?: string
  readonly credential?: { readonly lease: string; readonly account: string }
  readonly lease?: Pick<Lease, 'id' | 'evidence' | 'cause'>
}

/** One deployment: what all its instances share, real but for the clock and who asks. */
export interface Deployment {
  readonly clock: Clock
  readonly cosmos: Faults
  /** What reached Cosmos DB, as `<instance> <container> <action>`. */
  readonly asked: string[]
  vault: LocalKeyVault
  readonly database: Fixture
  /** The way to the database of `orders-db`; that of `invoices-db` is always open. */
  readonly door: Door
  /** Every credential that any instance let go of, with the decision it belongs to. */
  readonly issued: (Issued & { readonly decision: string })[]
  /** One process's worth of caches and connections. `name` is its identity. */
  open(name?: string, rule?: RuleDocument, pause?: Pause): Instance
  leases(): Promise<readonly Lease[]>
  records(): Promise<readonly StoredRecord[]>
  /** The accounts that exist on the database server. */
  accounts(): Promise<readonly string[]>
  /** Ends the vault and starts one, for instances opened from then on, on what it kept and `change` has been at. */
  restartVault(change: () => void): Promise<void>
  readonly vaultDir: string
  stop(): Promise<void>
}

/** A quarter of an hour's access for whoever asks. */
export const anybody = allow('anybody-reads')

/** `requestTimeout`: how long an instance waits for one answer of Cosmos DB, in milliseconds. */
export async function startDeployment(requestTimeout = 1_500): Promise<Deployment> {
  const clock = { time: noon }
  const now = () => clock.time
  const asked: string[] = []
  const containers = [
    { id: 'leases', partitionKey: '/slot', defaultTtl: -1 },
    { id: 'decisions', partitionKey: '/stream' },
    { id: 'streams', partitionKey: '/hour' },
  ]
  const observe = (identity: string, container: string, action: DocumentAction) =>
    asked.push(`${identity} ${container} ${action}`) > 0
  const standIn = await startStandIn({ containers, now, authorize: observe })
  const database = await startFixture()
  const door = await openDoor(database.server.port)
  const vaultDir = `${standIn.dir}/vault`
  const certificate = await (await openCertificateAuthority(standIn.dir)).issue()
  const openVault = () => startVault({ certificate, dir: vaultDir, now })
  const clients: CosmosClient[] = []
  const instances: Instance[] = []

  function containerOf(id: string, name: string): Container {
    const client = cosmosClient(standIn.cosmos.url, name, requestTimeout)
    clients.push(client)
    return client.database('causeway').container(id)
  }

  const watched = { leases: containerOf('leases', 'test'), decisions: containerOf('decisions', 'test') }
  const all = async <T>(container: Container) =>
    (await container.items.query<T>('SELECT * FROM c').fetchAll()).resources

  const deployment: Deployment = {
    clock,
    cosmos: standIn.cosmos.faults,
    asked,
    vault: await openVault(),
    database,
    door,
    issued: [],
    open(name = 'gateway', rule = anybody, pause) {
      const container = (id: string) => containerOf(id, name)
      const instance = openInstance({ deployment, rule, container, ...(pause && { pause }) })
      instances.push(instance)
      return instance
    },
    leases: () => all<Lease>(watched.leases).then(found => found.filter(({ id }) => !id.startsWith('place-'))),
    records: () => all<StoredRecord>(watched.decisions),
    accounts: () =>
      database.superuser(async client => {
        const { rows } = await client.query<{ rolname: string }>("SELECT rolname FROM pg_roles WHERE rolname ~ '^cw_'")
        return rows.map(({ rolname }) => rolname)
      }),
    async restartVault(change) {
      await deployment.vault.stop()
      change()
      deployment.vault = await openVault()
    },
    vaultDir,
    async stop() {
      for (const instance of instances) await instance.close()
      for (const client of clients) client.dispose()
      await Promise.all([door.stop(), deployment.vault.stop(), database.stop()])
      await standIn.stop()
    },
  }
  deployment.vault.set('derivation-key', 'the first derivation key')
  for (const [name, { text }] of database.secrets) deployment.vault.set(name, text)
  return deployment
}

function startVault(options: Pick<KeyVaultOptions, 'certificate' | 'dir' | 'now'>): Promise<LocalKeyVault> {
  const authenticate = async () => 'gateway'
  return startKeyVault({ ...options, authority: 'https://login.example', authenticate, authorize: () => true })
}

/** As `gateway.ts` has it, but for the time-out. */
function cosmosClient(endpoint: string, name: string, requestTimeout: number): CosmosClient {
  const token = { token: `token-of-${name}`, expiresOnTimestamp: Date.now() + 3_600_000 }
  return new CosmosClient({
    endpoint,
    aadCredentials: { getToken: async () => token },
    connectionPolicy: {
      requestTimeout,
      enableEndpointDiscovery: false,
      retryOptions: { maxRetryAttemptCount: 2, fixedRetryIntervalInMilliseconds: 0, maxWaitTimeInSeconds: 2 },
    },
  })
}
