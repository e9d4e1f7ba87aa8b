import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Client } from 'pg'
import { expect } from 'vitest'
import { z } from 'zod'
import { openDatabase } from '../infra/local/documents.ts'
import { asSuperuser } from '../infra/local/postgresql/demo-database.ts'
import { openSecrets } from '../infra/local/secrets.ts'
import { type Stack, type StackOptions, startStack } from '../infra/local/stack.ts'
import { approver, audience, operator, stranger } from '../infra/local/world.ts'

/** A whole stack in a folder of its own, and what tests ask of it. */
export interface RunningStack extends Stack {
  /** Every line that the gateway printed. */
  readonly output: readonly string[]
  /** The database under the identity of whoever deploys. */
  readonly documents: ReturnType<typeof openDatabase>['database']
  /** The secrets of the vault `corp`, by name. */
  readonly secrets: Readonly<Record<string, string>>
  /** A token of one of the world's pods: `payments/api` unless named. */
  podToken(pod?: PodName): Promise<string>
  /** A token of one of the tenant's applications, by `client_credentials`, for the gateway unless said. */
  operatorToken(options?: { application?: 'operator' | 'approver' | 'stranger'; scope?: string }): Promise<string>
  /** Posts a form to `/token`: a complete exchange for `payments/api` but for what is given; undefined leaves one out. */
  exchange(form: Readonly<Record<string, string | undefined>>): Promise<Answer>
  /**
   * An exchange that must be answered 200. Where the lease's window is about to end, it waits for that and asks once
   * more: then there are two records, leases and accounts. A lease that the same test was given before is given again.
   */
  issue(form: Readonly<Record<string, string | undefined>>): Promise<Issued>
  /** The records of a decision, oldest first. */
  recordsOf(decision: string): Promise<readonly DecisionRecord[]>
  /** Every record that there is. */
  records(): Promise<readonly DecisionRecord[]>
  /** The structured lines about a decision; waits for the first, since output comes by another way than answers. */
  linesOf(decision: string): Promise<readonly DecisionRecord[]>
  /** The count that holds a sample of a decision, and the sample; waits for it, since counts are written a while after. */
  countOf(decision: string): Promise<{ readonly count: DecisionRecord; readonly sample: Document }>
  leases(): Promise<readonly Document[]>
  /** Changes a lease behind the gateway's back: nobody waits for a ttl here. */
  changeLease(id: string, changes: Document): Promise<void>
  /** The accounts of this deployment that PostgreSQL has. */
  accounts(): Promise<readonly string[]>
  /** Adds a target like `like` but for `changes`, and an allow rule for it. */
  addTarget(target: NewTarget): Promise<void>
  /** Takes a text for a secret, so that {@link leaks} looks for it. Tokens and credentials are noted by themselves. */
  note(secret: string): void
  /**
   * The documents, printed lines, spans and numbers that hold a secret or a token that was seen so far, as it is or
   * encoded; and of other texts, those.
   */
  leaks(others?: readonly string[]): Promise<readonly string[]>
  /** The spans, one a line, and numbers that a gateway with `telemetry` has exported. */
  telemetry(): Promise<readonly string[]>
}

export type PodName = keyof typeof podsByName
export type Document = Readonly<Record<string, unknown>>
export type DecisionRecord = Document & { readonly outcome: string; readonly reason?: string }

export interface NewTarget {
  readonly id: string
  readonly like: 'orders-db' | 'mainframe-ftp'
  readonly changes?: Document
  /** Whom the rule allows: `payments/api` unless said. */
  readonly namespace?: string
  readonly scopes: readonly string[]
  readonly grant?: Document
}

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  readonly body: Document
}

const podsByName = {
  'payments/api': { namespace: 'payments', serviceAccount: 'api', pod: 'api-7d9c6b5f4-x2x7k' },
  'payments/api 2': { namespace: 'payments', serviceAccount: 'api', pod: 'api-7d9c6b5f4-q8w2z' },
  'billing/batch': { namespace: 'billing', serviceAccount: 'batch', pod: 'batch-28931040-abcde' },
  'quarantine/api': { namespace: 'quarantine', serviceAccount: 'api', pod: 'api-0' },
} as const

/** The successful answer of `/token`, as documented: another member is an error. */
const issuedBody = z.strictObject({
  access_token: z.string().min(1),
  issued_token_type: z.string(),
  token_type: z.string(),
  expires_in: z.int(),
  expires_at: z.iso.datetime(),
  refresh_in: z.int(),
  scope: z.string(),
  credential: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
  lease_id: z.string().optional(),
  decision_id: z.guid(),
})
export type Issued = z.infer<typeof issuedBody> & { readonly answer: Answer }

/** What a PostgreSQL target hands out. */
const login = z.strictObject({
  username: z.string(),
  password: z.string(),
  host: z.string(),
  port: z.int(),
  database: z.string(),
  uri: z.string(),
  caCertificate: z.string(),
})

/** Of a target whose windows are hours long: none rolls over between two requests of a test. */
export const lasting = { defaultTtl: 'PT12H', maxTtl: 'PT12H' }

const grantType = 'urn:ietf:params:oauth:grant-type:token-exchange'
const jwt = 'urn:ietf:params:oauth:token-type:jwt'

export interface RunOptions extends Omit<StackOptions, 'dir' | 'onOutput'> {
  /** Registers an SDK of OpenTelemetry in the gateway's process, as an operator may. */
  readonly telemetry?: boolean
}

const collector = new URL('collect-telemetry.ts', import.meta.url).href

/** The timers that change or record something: on their schedule they would do so in the midst of a test, once a minute. */
const offSchedule = ['revoke-expired', 'checkpoint', 'reconcile'].map(name => [`AzureWebJobs.${name}.Disabled`, 'true'])

/**
 * Starts a stack whose gateway sees changes within a fraction of a second, and whose timers run when they are told to.
 * `stop` removes its folder too.
 */
export async function runStack(options: RunOptions = {}): Promise<RunningStack> {
  const dir = await mkdtemp(join(tmpdir(), 'causeway-test-'))
  const output: string[] = []
  const fast = { CAUSEWAY_REFRESH_INTERVAL: 'PT0.2S', CAUSEWAY_COUNT_INTERVAL: 'PT0.2S' }
  const collected = join(dir, 'telemetry.jsonl')
  const collecting = { NODE_OPTIONS: `--import ${collector}`, TEST_TELEMETRY_FILE: collected }
  const onDemand = Object.fromEntries(offSchedule)
  const settings = { ...fast, ...onDemand, ...(options.telemetry && collecting), ...options.settings }
  const stack = await startStack({ ...options, settings, dir, onOutput: line => output.push(line) })
  const { database: documents, close } = openDatabase(stack)
  const { vault: secrets, applications } = openSecrets(dir)
  const seen = new Set(Object.values(secrets).flatMap(secretParts))
  const note = (text: string) => {
    for (const part of secretParts(text)) seen.add(part)
  }

  async function podToken(name: PodName = 'payments/api'): Promise<string> {
    const token = await stack.cluster.token({ ...podsByName[name], audiences: [audience] })
    note(token)
    return token
  }

  async function operatorToken({
    application = 'operator',
    scope = `${audience}/.default`,
  }: Parameters<RunningStack['operatorToken']>[0] = {}): Promise<string> {
    const client = { operator, approver, stranger }[application]
    const form = { client_id: client.clientId, client_secret: applications[application], scope }
    const answer = await post(
      stack.description.tenant.tokenEndpoint,
      new URLSearchParams({ grant_type: 'client_credentials', ...form }),
    )
    const token = z.string().parse(answer.body['access_token'])
    note(token)
    return token
  }

  async function exchange(form: Readonly<Record<string, string | undefined>>): Promise<Answer> {
    const complete = {
      grant_type: grantType,
      subject_token_type: jwt,
      ...('subject_token' in form ? {} : { subject_token: await podToken() }),
      ...form,
    }
    const given = Object.entries(complete).filter((entry): entry is [string, string] => entry[1] !== undefined)
    if (complete.subject_token) note(complete.subject_token)
    const answer = await post(`${stack.gateway.url}/token`, new URLSearchParams(given))
    for (const secret of secretsIn(answer)) note(secret)
    return answer
  }

  /** Lease ids by the test that was given them: it may expect the same again, and there was time for that. */
  const known = new Set<string>()

  async function issue(form: Readonly<Record<string, string | undefined>>): Promise<Issued> {
    const answer = await exchange(form)
    if (answer.status !== 200) throw new Error(`not issued: ${answer.status} ${answer.text}`)
    const issued = { ...issuedBody.parse(answer.body), answer }
    const toTest = `${issued.lease_id} ${expect.getState().currentTestName}`
    if (issued.refresh_in > 10 || known.has(toTest)) {
      known.add(toTest)
      return issued
    }
    await pause((issued.refresh_in + 1) * 1000)
    return issue(form)
  }

  async function read<T>(container: string, query: string, id = ''): Promise<readonly T[]> {
    const parameters = [{ name: '@id', value: id }]
    const { resources } = await documents.container(container).items.query<T>({ query, parameters }).fetchAll()
    return resources
  }

  async function recordsOf(decision: string): Promise<readonly DecisionRecord[]> {
    const found = await read<DecisionRecord>('decisions', 'SELECT * FROM c WHERE c.decision = @id', decision)
    return oldestFirst(found)
  }

  async function countOf(decision: string): ReturnType<RunningStack['countOf']> {
    for (let look = 0; look < 200; look++) {
      for (const count of await read<DecisionRecord>('decisions', "SELECT * FROM c WHERE c.kind = 'count'")) {
        const sample = (count['samples'] as Document[]).find(one => one['decision'] === decision)
        if (sample) return { count, sample }
      }
      await pause(50)
    }
    throw new Error(`nothing was counted of ${decision}`)
  }

  async function linesOf(decision: string): Promise<readonly DecisionRecord[]> {
    const find = () => output.filter(line => line.startsWith('{') && line.includes(`"decision":"${decision}"`))
    for (let look = 0; find().length === 0; look++) {
      if (look === 200) throw new Error(`nothing was printed about ${decision}`)
      await pause(50)
    }
    return find().map(line => JSON.parse(line))
  }

  async function changeLease(id: string, changes: Document): Promise<void> {
    const item = documents.container('leases').item(id, id.split('.')[0])
    const { resource } = await item.read<Document>()
    if (!resource) throw new Error(`there is no lease ${id}`)
    await item.replace({ ...resource, ...changes })
  }

  function accounts(): Promise<readonly string[]> {
    return asSuperuser(stack.postgresql, 'postgres', async client => {
      const query = "SELECT rolname FROM pg_roles WHERE starts_with(rolname::text, 'cw_local_')"
      const { rows } = await client.query<{ rolname: string }>(query)
      return rows.map(row => row.rolname)
    })
  }

  async function addTarget({ id, like, changes, namespace = 'payments', scopes, grant }: NewTarget): Promise<void> {
    const { resource } = await documents.container('targets').item(like, like).read<Document>()
    const { uri: _, ...model } = Object.fromEntries(
      Object.entries(resource ?? {}).filter(([name]) => !name.startsWith('_')),
    )
    // Once more where the test is tried once more.
    await documents.container('targets').items.upsert({ ...model, ...changes, id })
    await documents.container('rules').items.upsert({
      schema: 1,
      id: `allow-${id}`,
      target: id,
      effect: 'allow',
      workloads: [{ issuer: 'aks-local', namespace }],
      scopes,
      ...(grant && { grant }),
    })
  }

  const records = () => read<DecisionRecord>('decisions', 'SELECT * FROM c')
  const leases = () => read<Document>('leases', 'SELECT * FROM c')

  async function telemetry(): Promise<readonly string[]> {
    const text = options.telemetry ? await readFile(collected, 'utf8') : ''
    return text.split('\n').filter(line => line !== '')
  }

  async function leaks(others: readonly string[] = []): Promise<readonly string[]> {
    const written = await Promise.all(kept.map(container => read<Document>(container, 'SELECT * FROM c')))
    const documents = written.flat().map(document => JSON.stringify(document))
    const texts = [...documents, ...output, ...(await telemetry()), ...others]
    const forms = [...seen].flatMap(encodings)
    return texts.filter(text => forms.some(form => text.includes(form)))
  }

  async function stop(): Promise<void> {
    close()
    await stack.stop()
    await rm(dir, { recursive: true, force: true })
  }

  return {
    ...stack,
    output,
    documents,
    secrets,
    podToken,
    operatorToken,
    exchange,
    issue,
    recordsOf,
    records,
    linesOf,
    countOf,
    leases,
    changeLease,
    accounts,
    addTarget,
    note,
    leaks,
    telemetry,
    stop,
  }
}

/** Records by their time, and of one time by their number: numbers begin anew with each stream, so also each hour. */
export function oldestFirst<T extends Document>(records: readonly T[]): readonly T[] {
  const place = ({ at, id }: Document) => `${at} ${id}`
  return records.toSorted((a, b) => (place(a) < place(b) ? -1 : 1))
}

/** Where a gateway writes, or operators. */
const kept = ['decisions', 'streams', 'checkpoints', 'leases', 'rules', 'targets', 'issuers'] as const

/** A text as it is, and as it would be found where somebody encoded it, alone or within a longer one. */
export function encodings(text: string): readonly string[] {
  const json = JSON.stringify(text).slice(1, -1)
  const percent = encodeURIComponent(text)
  const form = new URLSearchParams([['', text]]).toString().slice(1)
  const hex = Buffer.from(text).toString('hex')
  const nested = JSON.stringify(json).slice(1, -1)
  const plain = [text, json, nested, percent, percent.toLowerCase(), form, hex, hex.toUpperCase()]
  return [...new Set([...plain, ...base64Forms(text, 'base64'), ...base64Forms(text, 'base64url')])]
}

/** In a longer text, it begins at any of three places of a group; what its neighbours change at both ends is left out. */
function base64Forms(text: string, encoding: 'base64' | 'base64url'): readonly string[] {
  const alone = Buffer.from(text).toString(encoding)
  const within = [0, 1, 2].map(before => {
    const whole = Buffer.from(' '.repeat(before) + text)
    const end = whole.length - (whole.length % 3)
    return whole
      .subarray(0, end)
      .toString(encoding)
      .slice(before === 0 ? 0 : 4)
  })
  return [alone, ...within]
}

/** What must not be found anywhere of a secret: its text; of a JWT, its payload and its signature. */
function secretParts(text: string): readonly string[] {
  const password = /"password":"([^"]+)"/.exec(text)?.[1]
  const [, payload, signature] = text.split('.')
  return [text, password, payload, signature].filter(part => part !== undefined && part.length >= 20) as string[]
}

function secretsIn({ body }: Answer): readonly string[] {
  const { password, uri, value } = z.record(z.string(), z.unknown()).catch({}).parse(body['credential'])
  return [body['access_token'], password, uri, value].filter(secret => typeof secret === 'string')
}

/** Logs in to PostgreSQL with a credential's fields and nothing else; the server's name is verified. */
export async function logIn({ credential }: Pick<Issued, 'credential'>): Promise<Client> {
  const { username: user, password, host, port, database, caCertificate } = login.parse(credential)
  const ssl = { ca: caCertificate, rejectUnauthorized: true }
  const client = new Client({ host, port, database, user, password, ssl })
  // A session that the gateway ends is told of by its next query, not by an event that nobody awaits.
  client.on('error', () => {})
  await client.connect()
  return client
}

/** Posts a body and reads the answer as JSON where it is. */
export function post(
  url: string,
  body: URLSearchParams | string,
  headers: Record<string, string> = {},
): Promise<Answer> {
  return send(url, { method: 'POST', body, headers })
}

/** Sends a request and reads the answer as JSON where it is. */
export async function send(url: string, request: RequestInit): Promise<Answer> {
  const response = await fetch(url, request)
  const text = await response.text()
  const json = /[/+]json(;|$)/.test(response.headers.get('content-type') ?? '') ? JSON.parse(text) : {}
  return {
    status: response.status,
    headers: response.headers,
    text,
    body: z.record(z.string(), z.unknown()).parse(json),
  }
}
