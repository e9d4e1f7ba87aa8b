import { setTimeout as pause } from 'node:timers/promises'
import { Client } from 'pg'
import { z } from 'zod'
import { type Answered, exchangeToken, operatorToken, podToken, revokeLease, send } from './callers.ts'
import type { Stack } from './stack.ts'

const issued = z.object({
  credential: z.object({
    username: z.string(),
    password: z.string(),
    host: z.string(),
    port: z.number(),
    database: z.string(),
    caCertificate: z.string(),
  }),
  expires_in: z.number(),
  lease_id: z.string(),
})

const api = { namespace: 'payments', serviceAccount: 'api', pod: 'api-7d9c6b5f4-x2x7k' }

/** Shows the point in a dozen lines. Throws where the gateway does something else than it should. */
export async function showDemo(stack: Stack, output: readonly string[]): Promise<void> {
  const { gateway, description } = stack
  const token = await podToken(stack, api)

  const allowed = await exchangeToken(gateway.url, token, { audience: 'orders-db', scope: 'read' })
  expectStatus(allowed, 200)
  const { credential, expires_in, lease_id } = issued.parse(allowed.body)
  say(
    'allowed',
    `payments/api asked for orders-db, scope read: a login for ${expires_in} seconds, lease ${lease_id.slice(0, 12)}…`,
  )
  const session = await logIn(credential)
  const endings: string[] = []
  session.on('error', error => endings.push(error.message))
  const { rows } = await session.query(
    'SELECT session_user, current_user, count(*)::int AS orders FROM orders GROUP BY 1, 2',
  )
  say(
    'logged in',
    `PostgreSQL knows the session as ${rows[0].session_user}, acting as ${rows[0].current_user}, and shows ${rows[0].orders} orders`,
  )
  say('no more', `DELETE FROM orders: ${await failureOf(session.query('DELETE FROM orders'))}`)

  const denied = await exchangeToken(gateway.url, token, { audience: 'mainframe-ftp' })
  expectStatus(denied, 400)
  say('denied', `payments/api asked for mainframe-ftp: ${denied.status} ${denied.body['error']}`)
  say('because', await traceOf(String(denied.body['decision_id']), output))

  await showRuleChange(stack, token)

  expectStatus(await revokeLease(gateway.url, token, lease_id), 200)
  await gateway.runTimer('revoke-expired')
  await failureOf(session.query('SELECT 1'))
  say('revoked', `the pod gave its lease back with the session open: ${endings[0]}`)
  say('gone', `the same login again: ${await failureOf(logIn(credential))}`)
  console.log(`\nEvery line of it is on the record: ${description.cosmos.endpoint}, container decisions.`)
}

/** An operator takes `write` away from payments/api and gives it back. */
async function showRuleChange({ gateway, description }: Stack, token: string): Promise<void> {
  const headers = {
    authorization: `Bearer ${await operatorToken(description.tenant)}`,
    'content-type': 'application/json',
  }
  const url = `${gateway.url}/manage/rules/orders-db/payments-api-orders`
  const before = await send(url, { headers })
  const rule = z.record(z.string(), z.unknown()).parse(before.body['rule'])
  const put = (body: unknown, etag: string) =>
    send(url, { method: 'PUT', headers: { ...headers, 'if-match': etag }, body: JSON.stringify(body) })
  const ask = () => exchangeToken(gateway.url, token, { audience: 'orders-db', scope: 'write' })

  expectStatus(await ask(), 200)
  const changed = await put({ ...rule, scopes: ['read'] }, before.etag)
  expectStatus(changed, 200)
  const after = await until(ask, answer => answer.status !== 200)
  say(
    'changed',
    `an operator took scope write out of the rule: 200 before, ${after.status} ${after.body['error']} after`,
  )
  expectStatus(await put(rule, changed.etag), 200)
  await until(ask, answer => answer.status === 200)
}

/** A change is in force everywhere within 15 seconds. */
async function until(ask: () => Promise<Answered>, holds: (answer: Answered) => boolean): Promise<Answered> {
  for (let tries = 0; tries < 100; tries++) {
    const answer = await ask()
    if (holds(answer)) return answer
    await pause(200)
  }
  throw new Error('the change of a rule did not take effect within 20 seconds')
}

async function logIn(credential: z.infer<typeof issued>['credential']): Promise<Client> {
  const { username: user, password, host, port, database, caCertificate: ca } = credential
  const client = new Client({ user, password, host, port, database, ssl: { ca } })
  client.on('error', () => undefined)
  await client.connect()
  return client
}

const traced = z.object({
  decision: z.string(),
  reason: z.string(),
  trace: z.array(
    z.object({
      rule: z.string(),
      tests: z.array(z.object({ test: z.string(), met: z.boolean(), expected: z.unknown(), found: z.unknown() })),
    }),
  ),
})

/** What an operator reads in the decision log: the rule that came closest, and the test that it did not pass. */
async function traceOf(decision: string, output: readonly string[]): Promise<string> {
  const printed = () => output.find(line => line.includes(decision))
  // The line comes through a pipe of its own, perhaps after the answer.
  for (let tries = 0; tries < 100 && !printed(); tries++) await pause(50)
  const { reason, trace } = traced.parse(JSON.parse(printed() ?? '{}'))
  const [first] = trace
  const missed = first?.tests.find(test => !test.met)
  return `${reason}: rule ${first?.rule} expects ${missed?.test} ${missed?.expected}, found ${missed?.found}`
}

/** The message of what must not work. */
async function failureOf(attempt: Promise<unknown>): Promise<string> {
  const message = await attempt.then(
    () => undefined,
    (error: Error) => error.message,
  )
  if (message === undefined) throw new Error('something worked that must not')
  return message
}

function expectStatus(answer: Answered, status: number): void {
  if (answer.status !== status)
    throw new Error(`expected ${status}, got ${answer.status}: ${JSON.stringify(answer.body)}`)
}

function say(label: string, text: string): void {
  console.log(`${label.padStart(10)}  ${text}`)
}
