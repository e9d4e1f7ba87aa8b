import { randomBytes, randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Listener, listen } from '../../infra/local/listener.ts'
import { startOnFreePort } from '../../infra/local/ports.ts'
import { type Document, post, type RunningStack, runStack } from '../running-stack.ts'

let ingestion: Listener
let stack: RunningStack
/** What was sent to Application Insights. */
const envelopes: Document[] = []

/** As the service's `POST /v2.1/track`: a list of envelopes, compressed or not. */
async function track(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = await buffer(request)
  const text = (request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body).toString()
  const sent: readonly Document[] = JSON.parse(text)
  envelopes.push(...sent)
  const answer = { itemsReceived: sent.length, itemsAccepted: sent.length, errors: [] }
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer))
}

// The certificate comes from the stack's authority, and the stack is told the port: somebody may take that meanwhile.
beforeAll(() => startOnFreePort(undefined, startOn))
afterAll(async () => {
  await stack?.stop()
  await ingestion?.stop()
})

async function startOn(port: number): Promise<void> {
  await stack?.stop()
  const settings = {
    APPLICATIONINSIGHTS_CONNECTION_STRING: `InstrumentationKey=${randomUUID()};IngestionEndpoint=https://localhost:${port}/`,
    // What the exporter tells Microsoft of itself.
    APPLICATION_INSIGHTS_NO_STATSBEAT: 'true',
  }
  stack = await runStack({ settings })
  ingestion = await listen((request, response) => void track(request, response), {
    port,
    certificate: await stack.authority.issue(),
  })
}

const dataOf = (envelope: Document) => (envelope['data'] as Document)['baseData'] as Document
const names = () => envelopes.map(dataOf).map(({ name }) => name)
const metrics = () => envelopes.flatMap(envelope => (dataOf(envelope)['metrics'] ?? []) as Document[])

/** The caller's trace is sampled, and so is what belongs to it. */
async function issuedInTrace(trace: string): Promise<Document> {
  const form = new URLSearchParams({
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    subject_token: await stack.podToken(),
    audience: 'orders-db',
  })
  const { body } = await post(`${stack.gateway.url}/token`, form, { traceparent: `00-${trace}-00f067aa0ba902b7-01` })
  stack.note(String(body['access_token']))
  return body
}

test('an exchange and its steps are told to Application Insights in the caller’s trace, and numbers when the app ends', async () => {
  const trace = randomBytes(16).toString('hex')
  const { decision_id: decision } = await issuedInTrace(trace)
  await expect.poll(names, { timeout: 30_000 }).toContain('causeway.exchange')
  const inTrace = (envelope: Document) => (envelope['tags'] as Document)['ai.operation.id'] === trace
  const exchange = envelopes.filter(inTrace).find(envelope => dataOf(envelope)['name'] === 'causeway.exchange') ?? {}
  const told = { 'causeway.decision_id': decision, 'causeway.outcome': 'issued', 'causeway.target': 'orders-db' }
  expect(dataOf(exchange)['properties']).toMatchObject(told)
  expect(names()).toContain('causeway.exchange.decide')
  await stack.gateway.stop()
  expect(metrics().map(({ name }) => name)).toContain('causeway.exchanges')
  expect(await stack.leaks(envelopes.map(envelope => JSON.stringify(envelope)))).toEqual([])
})
