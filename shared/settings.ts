import { z } from 'zod'
import type { SecretReference } from './credentials/secret-reference.ts'
import { duration } from './duration.ts'
import {
  clientId,
  connectionString,
  forwarders,
  httpsUrl,
  keyText,
  ownUrl,
  referenceText,
  vaults,
} from './setting-values.ts'
import { SettingsError } from './settings-error.ts'

export { SettingsError }

/** Which functions an app registers. `all` is for one machine; in Azure each role is an app with its own identity. */
export type Role = 'exchange' | 'manage' | 'timers'

/** Everything that differs from one deployment to another. */
export interface Settings {
  readonly roles: readonly Role[]
  /** The gateway's own URL, as callers know it. Never taken from a request. */
  readonly issuer: string
  /** Marks this deployment's accounts on targets. */
  readonly deployment: string
  readonly cosmos: { readonly endpoint: string; readonly database: string }
  /** Vault URLs by alias: the only vaults that a document can name. */
  readonly vaults: ReadonlyMap<string, URL>
  readonly derivationKey: SecretReference
  /** The key that signs checkpoints: its vault's alias, and its name there. */
  readonly checkpointKey: { readonly vault: string; readonly key: string }
  /** Milliseconds for which the record is kept. */
  readonly retention: number
  /** Whose tokens open `/manage`: an Entra tenant's v2.0 issuer and this gateway's audience there. */
  readonly operators: { readonly issuerUrl: string; readonly audience: string; readonly network: 'public' | 'private' }
  /** Whether an application may approve what somebody else proposed. Otherwise only people do. */
  readonly approvalByApplications: boolean
  /** Client ids of user-assigned identities; a role without one uses the app's own. */
  readonly identities: Readonly<Record<Role, string | undefined>>
  /** Whose word on a client's address counts: an actor such as API Management. */
  readonly forwarders: readonly { readonly issuer: string; readonly subject: string }[]
  /** Path of a MaxMind-format database of countries. Without one, no client's country is known. */
  readonly geoipDatabase: string | undefined
  /** Exchanges a second that an instance does for one workload, and for one issuer. */
  readonly rates: { readonly workload: number; readonly issuer: number }
  /** Milliseconds between polls of the change feeds. */
  readonly refreshInterval: number
  /** Milliseconds after which counted refusals are written. */
  readonly countInterval: number
  /** Connection string of the Application Insights that spans and numbers go to. Without one, they go nowhere. */
  readonly applicationInsights: string | undefined
}

/** Every variable that this gateway reads. One that begins with `CAUSEWAY_` and is not here is a mistake. */
const variables = z.object({
  CAUSEWAY_ROLE: z.enum(['exchange', 'manage', 'timers', 'all']),
  CAUSEWAY_ISSUER: ownUrl,
  CAUSEWAY_DEPLOYMENT: z.string().regex(/^[a-z][a-z0-9]{0,11}$/, 'expected 1 to 12 lower-case letters and digits'),
  CAUSEWAY_COSMOS_ENDPOINT: httpsUrl,
  CAUSEWAY_COSMOS_DATABASE: z.string().min(1),
  CAUSEWAY_VAULTS: vaults,
  CAUSEWAY_DERIVATION_KEY: referenceText,
  CAUSEWAY_CHECKPOINT_KEY: keyText,
  CAUSEWAY_OPERATORS_ISSUER: httpsUrl,
  CAUSEWAY_OPERATORS_AUDIENCE: z.string().min(1),
  CAUSEWAY_OPERATORS_NETWORK: z.enum(['public', 'private']).default('public'),
  CAUSEWAY_APPROVAL_BY_APPLICATIONS: z.enum(['true', 'false']).default('false'),
  CAUSEWAY_IDENTITY_EXCHANGE: clientId,
  CAUSEWAY_IDENTITY_MANAGE: clientId,
  CAUSEWAY_IDENTITY_TIMERS: clientId,
  CAUSEWAY_FORWARDERS: forwarders,
  CAUSEWAY_GEOIP_DATABASE: z.string().min(1).optional(),
  CAUSEWAY_WORKLOAD_RATE: z.coerce.number().min(0.1).max(100_000).default(20),
  CAUSEWAY_ISSUER_RATE: z.coerce.number().min(0.1).max(1_000_000).default(2_000),
  CAUSEWAY_COUNT_INTERVAL: duration({ min: 'PT0.1S', max: 'PT1M' }).prefault('PT1M'),
  CAUSEWAY_REFRESH_INTERVAL: duration({ min: 'PT0.1S', max: 'PT10S' }).prefault('PT3S'),
  CAUSEWAY_RETENTION: duration({ min: 'P1D', max: 'P3650D' }).prefault('P400D'),
  /** The name is the platform's, whose host exports its own telemetry there. */
  APPLICATIONINSIGHTS_CONNECTION_STRING: connectionString,
})

/** Reads the settings from environment variables. Throws {@link SettingsError} that lists every problem at once. */
export function readSettings(environment: Readonly<Record<string, string | undefined>> = process.env): Settings {
  const given = Object.keys(environment).filter(name => name.startsWith('CAUSEWAY_'))
  const unknown = given.filter(name => !Object.hasOwn(variables.shape, name)).map(name => `${name}: no such setting`)
  const parsed = variables.safeParse(environment)
  if (!parsed.success) throw new SettingsError([...parsed.error.issues.map(problemOf), ...unknown])
  const read = parsed.data
  const absent = (['CAUSEWAY_DERIVATION_KEY', 'CAUSEWAY_CHECKPOINT_KEY'] as const)
    .filter(name => !read.CAUSEWAY_VAULTS.has(read[name].vault))
    .map(name => `${name}: expected a vault that CAUSEWAY_VAULTS names`)
  if (unknown.length + absent.length > 0) throw new SettingsError([...unknown, ...absent])
  return settingsOf(read)
}

function settingsOf(read: z.output<typeof variables>): Settings {
  return {
    roles: read.CAUSEWAY_ROLE === 'all' ? ['exchange', 'manage', 'timers'] : [read.CAUSEWAY_ROLE],
    issuer: read.CAUSEWAY_ISSUER,
    deployment: read.CAUSEWAY_DEPLOYMENT,
    cosmos: { endpoint: read.CAUSEWAY_COSMOS_ENDPOINT, database: read.CAUSEWAY_COSMOS_DATABASE },
    vaults: read.CAUSEWAY_VAULTS,
    derivationKey: read.CAUSEWAY_DERIVATION_KEY,
    checkpointKey: read.CAUSEWAY_CHECKPOINT_KEY,
    retention: read.CAUSEWAY_RETENTION,
    operators: {
      issuerUrl: read.CAUSEWAY_OPERATORS_ISSUER,
      audience: read.CAUSEWAY_OPERATORS_AUDIENCE,
      network: read.CAUSEWAY_OPERATORS_NETWORK,
    },
    approvalByApplications: read.CAUSEWAY_APPROVAL_BY_APPLICATIONS === 'true',
    identities: {
      exchange: read.CAUSEWAY_IDENTITY_EXCHANGE,
      manage: read.CAUSEWAY_IDENTITY_MANAGE,
      timers: read.CAUSEWAY_IDENTITY_TIMERS,
    },
    forwarders: read.CAUSEWAY_FORWARDERS,
    geoipDatabase: read.CAUSEWAY_GEOIP_DATABASE,
    rates: { workload: read.CAUSEWAY_WORKLOAD_RATE, issuer: read.CAUSEWAY_ISSUER_RATE },
    refreshInterval: read.CAUSEWAY_REFRESH_INTERVAL,
    countInterval: read.CAUSEWAY_COUNT_INTERVAL,
    applicationInsights: read.APPLICATIONINSIGHTS_CONNECTION_STRING,
  }
}

function problemOf(issue: z.core.$ZodIssue): string {
  return `${issue.path.map(String).join('.')}: ${issue.message.replace(/, received undefined$/, ' (it is not set)')}`
}
