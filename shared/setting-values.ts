import { z } from 'zod'
import { secretReference } from './credentials/secret-reference.ts'
import { documentId } from './document.ts'

const keyVaultHost = /^[a-z0-9-]{3,24}\.(vault\.azure\.net|vault\.azure\.cn|vault\.usgovcloudapi\.net)$/

/** Any https URL. */
export const httpsUrl = z.string().refine(text => URL.parse(text)?.protocol === 'https:', 'expected an https URL')

/** The gateway's own URL. Plain http only for a gateway on loopback: RFC 8414 wants https. */
export const ownUrl = z.string().refine(text => {
  const url = URL.parse(text)
  const plain = url?.protocol === 'http:' && isLoopback(url)
  return (
    url !== null && (url.protocol === 'https:' || plain) && url.search === '' && url.hash === '' && !text.endsWith('/')
  )
}, 'expected the https URL of this gateway, without query, fragment or trailing slash')

const vaultUrl = z.string().transform((text, context) => {
  const url = URL.parse(text)
  if (url?.protocol === 'https:' && (keyVaultHost.test(url.hostname) || isLoopback(url)) && isBare(url)) return url
  const message = 'expected https URLs of Key Vaults, and nothing but the host in them'
  context.issues.push({ code: 'custom', message, input: text })
  return z.NEVER
})

/** Whether a URL says nothing but where: one vault has one such URL. */
function isBare({ origin, href }: URL): boolean {
  return href === `${origin}/`
}

/** Vault URLs by alias, as JSON. */
export const vaults = json(z.record(secretReference.shape.vault, vaultUrl)).transform(
  record => new Map(Object.entries(record)),
)

/** `vault alias/secret name`. */
export const referenceText = z.string().transform((text, context) => {
  const [vault, secret, more] = text.split('/')
  const parsed = secretReference.safeParse({ vault, secret })
  if (parsed.success && more === undefined) return parsed.data
  context.issues.push({ code: 'custom', message: 'expected "vault alias/secret name"', input: text })
  return z.NEVER
})

/** `vault alias/key name`. */
export const keyText = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,31}\/[0-9A-Za-z-]{1,127}$/, 'expected "vault alias/key name"')
  .transform(text => {
    const [vault = '', key = ''] = text.split('/')
    return { vault, key }
  })

/** Workloads, as JSON. */
export const forwarders = json(
  z.array(z.strictObject({ issuer: documentId, subject: z.string().min(1) }), 'expected [ { "issuer", "subject" } ]'),
).prefault('[]')

/** A connection string of Application Insights. The exporter throws for any other key. */
export const connectionString = z
  .string()
  .regex(
    /(?:^|;)InstrumentationKey=[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?:;|$)/,
    'expected a connection string of Application Insights',
  )
  .optional()

/** The client id of a user-assigned identity, where one is given. */
export const clientId = z.guid('expected the client id of a managed identity').optional()

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
