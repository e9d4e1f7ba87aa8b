import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { identities } from './access.ts'
import { database } from './containers.ts'
import { type Host, startHost } from './host/spawn.ts'
import { keepJson } from './kept-json.ts'
import { startOnFreePort } from './ports.ts'
import { describeStack, type StackDescription } from './stack-description.ts'
import { type Surroundings, startSurroundings } from './surroundings.ts'
import { audience, checkpointKey } from './world.ts'

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
  return startOnFreePort(options.port, port =>
    startHost({
      app,
      port,
      env: { ...gatewaySettings(surroundings, port), ...options.settings },
      ...(options.onOutput && { onOutput: options.onOutput }),
    }),
  )
}

/** Room for what a burst of requests holds, so that little of it outlives its collection (README, On Azure). */
export const workerArguments = '--max-semi-space-size=64'

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
    CAUSEWAY_CHECKPOINT_KEY: `corp/${checkpointKey}`,
    CAUSEWAY_OPERATORS_ISSUER: tenant.issuerUrl,
    CAUSEWAY_OPERATORS_AUDIENCE: audience,
    CAUSEWAY_OPERATORS_NETWORK: 'private',
    // The local tenant signs in nobody: its second person is an application.
    CAUSEWAY_APPROVAL_BY_APPLICATIONS: 'true',
    CAUSEWAY_IDENTITY_EXCHANGE: identities.exchange.clientId,
    CAUSEWAY_IDENTITY_MANAGE: identities.manage.clientId,
    CAUSEWAY_IDENTITY_TIMERS: identities.timers.clientId,
    IDENTITY_ENDPOINT: identity.endpoint,
    IDENTITY_HEADER: identity.header,
    NODE_EXTRA_CA_CERTS: authority.path,
    languageWorkers__node__arguments: workerArguments,
    // A little above what a form may have, so that the gateway's own answer tells what is wrong.
    FUNCTIONS_REQUEST_BODY_SIZE_LIMIT: String(512 * 1024),
  }
}
