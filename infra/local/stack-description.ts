import { identities } from './access.ts'
import { database } from './containers.ts'
import type { Host } from './host/spawn.ts'
import type { Surroundings } from './surroundings.ts'
import { audience, checkpointKey, operator } from './world.ts'

/** What `stack.json` says, for whoever drives a running stack. */
export type StackDescription = ReturnType<typeof describeStack>

export function describeStack(surroundings: Surroundings, gateway: Host) {
  const { authority, tenant, identity, cosmos, vault, cluster, postgresql, operatorSecret } = surroundings
  const { id, issuerUrl, jwksUri, tokenRequest } = cluster
  return {
    gateway: gateway.url,
    clusters: [{ id, issuerUrl, jwksUri, tokenRequest }],
    tenant: {
      tokenEndpoint: tenant.tokenEndpointHttp ?? tenant.tokenEndpoint,
      adminClientId: operator.clientId,
      adminSecret: operatorSecret,
      adminScope: `${audience}/.default`,
    },
    cosmos: { endpoint: cosmos.url, database },
    vaults: { corp: vault.url },
    // By which whoever verifies the decision log signs in here, as on a machine in Azure.
    auditor: { endpoint: identity.endpoint, header: identity.header, clientId: identities.auditor.clientId },
    checkpointKey: `${vault.url}/keys/${checkpointKey}`,
    postgresql: { host: postgresql.host, port: postgresql.port, database: 'orders' },
    ca: authority.path,
    audience,
    demo: { namespace: 'payments', serviceAccount: 'api', target: 'orders-db', deniedTarget: 'mainframe-ftp' },
  }
}
