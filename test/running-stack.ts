import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { openDatabase } from '../infra/local/documents.ts'
import { type Stack, type StackOptions, startStack } from '../infra/local/stack.ts'
import { audience } from '../infra/local/world.ts'

/** A whole stack in a folder of its own, and what tests ask of it. */
export interface RunningStack extends Stack {
  /** Every line that the gateway printed. */
  readonly output: readonly string[]
  /** The database under the identity of whoever deploys. */
  readonly documents: ReturnType<typeof openDatabase>['database']
  /** A token of one of the world's pods: `payments/api` unless named. */
  podToken(pod?: PodName): Promise<string>
  /** Posts a form to `/token`: a complete exchange for `payments/api` but for what is given; undefined leaves one out. */
  exchange(form: Readonly<Record<string, string | undefined>>): Promise<Answer>
  /** The records of a decision, oldest first. */
  recordsOf(decision: string): Promise<readonly DecisionRecord[]>
}

export type PodName = keyof typeof podsByName
export type DecisionRecord = Readonly<Record<string, unknown>> & { readonly outcome: string; readonly reason?: string }

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  readonly body: Readonly<Record<string, unknown>>
}

const podsByName = {
  'payments/api': { namespace: 'payments', serviceAccount: 'api', pod: 'api-7d9c6b5f4-x2x7k' },
  'payments/api 2': { namespace: 'payments', serviceAccount: 'api', pod: 'api-7d9c6b5f4-q8w2z' },
  'billing/batch': { namespace: 'billing', serviceAccount: 'batch', pod: 'batch-28931040-abcde' },
  'quarantine/api': { namespace: 'quarantine', serviceAccount: 'api', pod: 'api-0' },
} as const

const grantType = 'urn:ietf:params:oauth:grant-type:token-exchange'
const jwt = 'urn:ietf:params:oauth:token-type:jwt'

/** Starts a stack whose gateway sees changes within a fraction of a second. `stop` removes its folder too. */
export async function runStack(options: Omit<StackOptions, 'dir' | 'onOutput'> = {}): Promise<RunningStack> {
  const dir = await mkdtemp(join(tmpdir(), 'causeway-test-'))
  const output: string[] = []
  const settings = { CAUSEWAY_REFRESH_INTERVAL: 'PT0.2S', ...options.settings }
  const stack = await startStack({ ...options, settings, dir, onOutput: line => output.push(line) })
  const { database: documents, close } = openDatabase(stack)

  const podToken = (name: PodName = 'payments/api') =>
    stack.cluster.token({ ...podsByName[name], audiences: [audience] })

  async function exchange(form: Readonly<Record<string, string | undefined>>): Promise<Answer> {
    const complete = {
      grant_type: grantType,
      subject_token_type: jwt,
      ...('subject_token' in form ? {} : { subject_token: await podToken() }),
      ...form,
    }
    const given = Object.entries(complete).filter((entry): entry is [string, string] => entry[1] !== undefined)
    return post(`${stack.gateway.url}/token`, new URLSearchParams(given))
  }

  async function recordsOf(decision: string): Promise<readonly DecisionRecord[]> {
    const query = { query: 'SELECT * FROM c WHERE c.decision = @id', parameters: [{ name: '@id', value: decision }] }
    const { resources } = await documents.container('decisions').items.query<DecisionRecord>(query).fetchAll()
    return resources.toSorted((a, b) => (String(a['id']) < String(b['id']) ? -1 : 1))
  }

  async function stop(): Promise<void> {
    close()
    await stack.stop()
    await rm(dir, { recursive: true, force: true })
  }

  return { ...stack, output, documents, podToken, exchange, recordsOf, stop }
}

/** Posts a body and reads the answer as JSON where it is. */
export async function post(url: string, body: URLSearchParams | string, headers: Record<string, string> = {}): Promise<Answer> {
  const response = await fetch(url, { method: 'POST', body, headers })
  const text = await response.text()
  const json = response.headers.get('content-type')?.includes('json') ? JSON.parse(text) : {}
  return {
    status: response.status,
    headers: response.headers,
    text,
    body: z.record(z.string(), z.unknown()).parse(json),
  }
}
