import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { identities, maySeeSecret, mayTouchDocuments, mayUseKey, recognise } from './access.ts'
import { type CertificateAuthority, openCertificateAuthority } from './certificate-authority.ts'
import { type Cluster, startCluster } from './cluster/cluster.ts'
import { containers, database } from './containers.ts'
import { type LocalCosmos, startCosmos } from './cosmos/server.ts'
import { putDocuments } from './documents.ts'
import { type IdentityEndpoint, startIdentityEndpoint } from './identity.ts'
import { type LocalKeyVault, startKeyVault } from './key-vault/key-vault.ts'
import { openPorts } from './ports.ts'
import { prepareDemoDatabase } from './postgresql/demo-database.ts'
import { type LocalPostgresql, startPostgresql } from './postgresql/server.ts'
import { openSecrets, putSecrets } from './secrets.ts'
import { startTenant, type Tenant } from './tenant.ts'
import { applications, checkpointKey, pods, serviceAccounts } from './world.ts'

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
      authorizeKey: mayUseKey,
      authority: tenant.issuerUrl.replace(/\/v2\.0$/, ''),
    }),
  )
  vault.ensureKey(checkpointKey)
  const identity = await started(startIdentityEndpoint({ identities: Object.values(identities), tenant }))
  const cluster = await started(
    startCluster({
      ...place('cluster'),
      id: 'aks-local',
      serviceAccounts,
      pods,
      reviewer: secrets.vault['aks-local-reviewer'] ?? '',
    }),
  )
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
