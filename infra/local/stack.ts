import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { identities, maySeeSecret, mayTouchDocuments, recognise } from './access.ts'
import { type CertificateAuthority, openCertificateAuthority } from './certificate-authority.ts'
import { type Cluster, startCluster } from './cluster/cluster.ts'
import { containers, database } from './containers.ts'
import { type LocalCosmos, startCosmos } from './cosmos/server.ts'
import { putDocuments } from './documents.ts'
import { type Host, startHost } from './host/spawn.ts'
import { type IdentityEndpoint, startIdentityEndpoint } from './identity.ts'
import { keepJson } from './kept-json.ts'
import { type LocalKeyVault, startKeyVault } from './key-vault/key-vault.ts'
import { freePort, openPorts } from './ports.ts'
import { prepareDemoDatabase } from './postgresql/demo-database.ts'
import { type LocalPostgresql, startPostgresql } from './postgresql/server.ts'
import { openSecrets, putSecrets } from './secrets.ts'
import { describeStack, type StackDescription } from './stack-description.ts'
import { startTenant, type Tenant } from './tenant.ts'
import { applications, audience, pods, serviceAccounts } from './world.ts'

export interface StackOptions {
  /** Keeps everything: a stack that is started again in the same folder is the same one, on the same ports. */
  readonly dir: string
  /** Where the gateway listens; any free port by default. */
  readonly port?: number
  /** Settings that replace the gateway's own. */
  readonly settings?: Readonly<Record<string, string>>
  /** Takes every line that the gateway prints. */
  readonly onOutput?: (line: string) => void
}

/** The stand-ins for Azure and what lives beside it, without a gateway. */
export interface Surroundings {
  readonly authority: CertificateAuthority
  readonly tenant: Tenant
  readonly identity: IdentityEndpoint
  readonly cosmos: LocalCosmos
  readonly vault: LocalKeyVault
  readonly cluster: Cluster
  readonly postgresql: LocalPostgresql
  /** The password of the operators' application. */
  readonly operatorSecret: string
  stop(): Promise<void>
}

/** All of it, and a gateway that runs the production bundle. */
export interface Stack extends Surroundings {
  readonly gateway: Host
  /** What `stack.json` says: where everything is. */
  readonly description: StackDescription
}

/** The folder that holds the bundle, host.json and package.json. */
const app = fileURLToPath(new URL('../..', import.meta.url))

/** Starts everything. Throws "port N is in use" where it is; what was started by then is stopped. */
export async function startStack(options: StackOptions): Promise<Stack> {
  const surroundings = await startSurroundings(options.dir)
  try {
    const gateway = await startGateway(surroundings, options)
    const description = describeStack(surroundings, gateway)
    keepJson(join(options.dir, 'stack.json'), description)
    const stop = async () => {
      await gateway.stop()
      await surroundings.stop()
    }
    return { ...surroundings, gateway, description, stop }
  } catch (error) {
    await surroundings.stop()
    throw error
  }
}

/** Starts a gateway, or another one, on surroundings that are there already. */
export async function startGateway(surroundings: Surroundings, options: Omit<StackOptions, 'dir'>): Promise<Host> {
  const port = await freePort(options.port)
  return startHost({
    app,
    port,
    env: { ...gatewaySettings(surroundings, port), ...options.settings },
    ...(options.onOutput && { onOutput: options.onOutput }),
  })
}

/** Starts the stand-ins and puts the first documents in place. */
export async function startSurroundings(dir: string): Promise<Surroundings> {
  const stops: (() => Promise<void>)[] = []
  const stop = async () => {
    for (const end of stops.reverse()) await end()
  }
  async function started<T extends { stop(): Promise<void> }>(starting: Promise<T>): Promise<T> {
    const running = await starting
    stops.push(() => running.stop())
    return running
  }
  try {
    return { ...(await startAll(dir, started)), stop }
  } catch (error) {
    await stop()
    throw error
  }
}

type Started = <T extends { stop(): Promise<void> }>(starting: Promise<T>) => Promise<T>

async function startAll(dir: string, started: Started): Promise<Omit<Surroundings, 'stop'>> {
  const at = (name: string) => join(dir, name)
  await mkdir(dir, { recursive: true, mode: 0o700 })
  const ports = openPorts(dir)
  const secrets = openSecrets(dir)
  const authority = await openCertificateAuthority(at('ca'))
  const certificate = await authority.issue()
  const place = (part: string) => ({ ...ports.of(part), certificate, dir: at(part) })

  const tenant = await started(
    startTenant({ ...place('tenant'), plainHttp: true, applications: applications(secrets.applications) }),
  )
  const authenticate = recognise(tenant)
  const cosmos: LocalCosmos = await started(
    startCosmos({
      ...place('cosmos'),
      database,
      containers,
      authenticate: token => authenticate(token, cosmos.url),
      authorize: mayTouchDocuments,
    }),
  )
  const vault = await started(
    startKeyVault({
      ...place('vault'),
      authenticate: token => authenticate(token, 'https://vault.azure.net'),
      authorize: maySeeSecret,
      authority: tenant.issuerUrl.replace(/\/v2\.0$/, ''),
    }),
  )
  const identity = await started(startIdentityEndpoint({ identities: Object.values(identities), tenant }))
  const cluster = await started(startCluster({ ...place('cluster'), id: 'aks-local', serviceAccounts, pods }))
  const postgresql = await started(startPostgresql(place('postgresql')))

  await prepareDemoDatabase(postgresql, putSecrets(vault, secrets))
  const { host, port } = postgresql
  await putDocuments({ authority, tenant, cosmos }, { cluster, postgresql: { host, port, ca: authority.certificate } })
  ports.keep({
    tenant: tenant.issuerUrl,
    cosmos: cosmos.url,
    vault: vault.url,
    cluster: cluster.issuerUrl,
    postgresql: `postgresql://localhost:${postgresql.port}`,
  })
  return {
    authority,
    tenant,
    identity,
    cosmos,
    vault,
    cluster,
    postgresql,
    operatorSecret: secrets.applications.operator,
  }
}

/** The gateway's whole environment: what differs from Azure is here and nowhere else. */
function gatewaySettings(surroundings: Surroundings, port: number): Record<string, string> {
  const { authority, tenant, identity, cosmos, vault } = surroundings
  return {
    CAUSEWAY_ROLE: 'all',
    CAUSEWAY_ISSUER: `http://localhost:${port}`,
    CAUSEWAY_DEPLOYMENT: 'local',
    CAUSEWAY_COSMOS_ENDPOINT: cosmos.url,
    CAUSEWAY_COSMOS_DATABASE: database,
    CAUSEWAY_VAULTS: JSON.stringify({ corp: vault.url }),
    CAUSEWAY_DERIVATION_KEY: 'corp/causeway-derivation-key',
    CAUSEWAY_OPERATORS_ISSUER: tenant.issuerUrl,
    CAUSEWAY_OPERATORS_AUDIENCE: audience,
    CAUSEWAY_OPERATORS_NETWORK: 'private',
    CAUSEWAY_IDENTITY_EXCHANGE: identities.exchange.clientId,
    CAUSEWAY_IDENTITY_MANAGE: identities.manage.clientId,
    CAUSEWAY_IDENTITY_TIMERS: identities.timers.clientId,
    IDENTITY_ENDPOINT: identity.endpoint,
    IDENTITY_HEADER: identity.header,
    NODE_EXTRA_CA_CERTS: authority.path,
    // A little above what a form may have, so that the gateway's own answer tells what is wrong.
    FUNCTIONS_REQUEST_BODY_SIZE_LIMIT: String(128 * 1024),
  }
}
