import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import type { CommonFlags } from './flags.ts'
import { UsageError } from './usage-error.ts'

/** The part of a stack's `stack.json` that tells how to sign in to it. */
const stackFile = z.object({
  gateway: z.url(),
  tenant: z.object({
    tokenEndpoint: z.url(),
    adminClientId: z.string(),
    adminSecret: z.string(),
    adminScope: z.string(),
  }),
})

/** An answer of the gateway. A body that is no JSON counts as empty. */
export interface Answer {
  /** What was asked, without its query. */
  readonly url: string
  readonly status: number
  readonly body: Readonly<Record<string, unknown>>
  readonly headers: Headers
}

export interface Asking {
  readonly method?: string
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

/** A gateway, asked as an operator. */
export interface Operating {
  /** Asks below the gateway's URL; answers that are errors come back as they are. */
  ask(path: string, asking?: Asking): Promise<Answer>
}

/** All the time that one request may take, in milliseconds. */
const patience = 60_000

/** Where the gateway is. Throws {@link UsageError} where nothing says so. */
export function urlOf({ url, stack }: CommonFlags): string {
  const given = stack === undefined ? (url ?? process.env['CAUSEWAY_URL']) : readStack(stack).gateway
  if (given === undefined) throw new UsageError('--url is missing, and CAUSEWAY_URL is not set')
  const parsed = URL.parse(given)
  const isHere = parsed !== null && ['localhost', '127.0.0.1', '[::1]'].includes(parsed.hostname)
  if (parsed?.protocol !== 'https:' && !(isHere && parsed.protocol === 'http:')) {
    throw new UsageError('--url: expected an https URL')
  }
  return given.replace(/\/$/, '')
}

/** Signs in when first asked, and once. */
export function operate(flags: CommonFlags): Operating {
  const url = urlOf(flags)
  const signIn = signingIn(flags)
  let token: Promise<string> | undefined
  return {
    async ask(path, { method = 'GET', body, headers = {} } = {}) {
      token ??= signIn()
      const authorization = `Bearer ${await token}`
      return send(`${url}${path}`, {
        method,
        headers: { ...headers, authorization },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      })
    },
  }
}

/** Sends a request. Throws where nothing answers; never with a text of the request. */
export async function send(url: string, request: RequestInit): Promise<Answer> {
  // Nobody is followed: a redirect would take the token along, or be answered by somebody else.
  const asking = fetch(url, { redirect: 'manual', signal: AbortSignal.timeout(patience), ...request })
  const response = await asking.catch(cause => {
    throw new Error(`${new URL(url).origin} does not answer`, { cause })
  })
  const text = await response.text()
  const { origin, pathname } = new URL(url)
  return { url: `${origin}${pathname}`, status: response.status, headers: response.headers, body: objectIn(text) }
}

/** What an answer says. Throws where it says something else: login pages and proxies answer 200 too. */
export function bodyOf<Schema extends z.ZodType>({ url, body }: Answer, schema: Schema): z.output<Schema> {
  const parsed = schema.safeParse(body)
  if (!parsed.success) throw new Error(`${url} answers with something else than a Causeway gateway`)
  return parsed.data
}

function objectIn(text: string): Answer['body'] {
  try {
    return z.record(z.string(), z.unknown()).catch({}).parse(JSON.parse(text))
  } catch {
    return {}
  }
}

/** Checks the flags at once; asks for a token when it is called. */
function signingIn({ stack, audience = process.env['CAUSEWAY_AUDIENCE'] }: CommonFlags): () => Promise<string> {
  if (stack !== undefined) {
    const { tenant } = readStack(stack)
    return () => signInHere(tenant)
  }
  if (audience === undefined) throw new UsageError('--audience is missing, and CAUSEWAY_AUDIENCE is not set')
  return () => signInToAzure(audience)
}

async function signInToAzure(audience: string): Promise<string> {
  // Azure's client takes a second to load, which a wrong command line does without.
  const { DefaultAzureCredential } = await import('@azure/identity')
  const asking = new DefaultAzureCredential().getToken(`${audience}/.default`)
  const { token } = await asking.catch(cause => {
    throw new Error(noSignIn(audience, cause), { cause })
  })
  return token
}

/** Azure's own message is a page on every credential that it tried; the code in it is what can be looked up. */
function noSignIn(audience: string, cause: unknown): string {
  const [code] = /AADSTS\d+/.exec(String(cause)) ?? []
  const ways =
    'az login, or AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET (or what else DefaultAzureCredential reads)'
  return `cannot sign in for the audience ${audience}${code === undefined ? '' : ` (${code})`}: expected ${ways}`
}

async function signInHere(tenant: z.output<typeof stackFile>['tenant']): Promise<string> {
  const form = {
    grant_type: 'client_credentials',
    client_id: tenant.adminClientId,
    client_secret: tenant.adminSecret,
    scope: tenant.adminScope,
  }
  const { body } = await send(tenant.tokenEndpoint, { method: 'POST', body: new URLSearchParams(form) })
  const token = body['access_token']
  if (typeof token !== 'string') throw new Error('the tenant of the stack gives no token')
  return token
}

function readStack(folder: string): z.output<typeof stackFile> {
  try {
    return stackFile.parse(JSON.parse(readFileSync(join(folder, 'stack.json'), 'utf8')))
  } catch (cause) {
    throw new UsageError(`--stack: expected a folder with the stack.json of a running stack, found ${folder}`, {
      cause,
    })
  }
}
