import { z } from 'zod'
import { type SecretReference, secretReference } from './credentials/secret-reference.ts'
import { documentId } from './document.ts'
import { duration } from './duration.ts'
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

const keyVaultHost = /^[a-z0-9-]{3,24}\.(vault\.azure\.net|vault\.azure\.cn|vault\.usgovcloudapi\.net)$/

const httpsUrl = z.string().refine(text => URL.parse(text)?.protocol === 'https:', 'expected an https URL')

/** Plain http only for a gateway on loopback: RFC 8414 wants https. */
const ownUrl = z.string().refine(text => {
  const url = URL.parse(text)
  const plain = url?.protocol === 'http:' && isLoopback(url)
  return (
    url !== null && (url.protocol === 'https:' || plain) && url.search === '' && url.hash === '' && !text.endsWith('/')
  )
}, 'expected the https URL of this gateway, without query, fragment or trailing slash')

const vaultUrl = z.string().transform((text, context) => {
  const url = URL.parse(text)
  if (url?.protocol === 'https:' && (keyVaultHost.test(url.hostname) || isLoopback(url))) return url
  context.issues.push({ code: 'custom', message: 'expected https URLs of Key Vaults', input: text })
  return z.NEVER
})

const vaults = json(z.record(secretReference.shape.vault, vaultUrl)).transform(
  record => new Map(Object.entries(record)),
)

const referenceText = z.string().transform((text, context) => {
  const [vault, secret, more] = text.split('/')
  const parsed = secretReference.safeParse({ vault, secret })
  if (parsed.success && more === undefined) return parsed.data
  context.issues.push({ code: 'custom', message: 'expected "vault alias/secret name"', input: text })
  return z.NEVER
})

const keyText = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,31}\/[0-9A-Za-z-]{1,127}$/, 'expected "vault alias/key name"')
  .transform(text => {
    const [vault = '', key = ''] = text.split('/')
    return { vault, key }
  })

const forwarders = json(
  z.array(z.strictObject({ issuer: documentId, subject: z.string().min(1) }), 'expected [ { "issuer", "subject" } ]'),
).prefault('[]')

/** The name is the platform's, whose host exports its own telemetry there. The exporter throws for any other key. */
const connectionString = z
  .string()
  .regex(
    /(?:^|;)InstrumentationKey=[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?:;|$)/,
    'expected a connection string of Application Insights',
  )
  .optional()

const clientId = z.guid('expected the client id of a managed identity').optional()

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

/** Whether a URL is on this machine: there, and only there, stand-ins for Azure are allowed. */
export function isLoopback(url: URL): boolean {
  return ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname)
}

function json<T extends z.ZodType>(schema: T) {
  return z
    .string()
    .transform((text, context) => {
      try {
        return JSON.parse(text) as unknown
      } catch {
        context.issues.push({ code: 'custom', message: 'expected JSON', input: text })
        return z.NEVER
      }
    })
    .pipe(schema)
}

function problemOf(issue: z.core.$ZodIssue): string {
  return `${issue.path.map(String).join('.')}: ${issue.message.replace(/, received undefined$/, ' (it is not set)')}`
}
