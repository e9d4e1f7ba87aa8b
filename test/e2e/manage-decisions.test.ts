import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { operator } from '../../infra/local/world.ts'
import { causeway, folderWith } from '../cli/causeway.ts'
import { type Document, type Issued, type RunningStack, runStack } from '../running-stack.ts'
import { type AskManage, askingOf } from './operator-requests.ts'

let stack: RunningStack
let manage: AskManage
let issued: Issued
let denied: string
let billed: string
let refused: string

beforeAll(async () => {
  stack = await runStack()
  manage = await askingOf(stack)
  issued = await stack.issue({ audience: 'orders-db', scope: 'read' })
  const decisionOf = async (form: Parameters<RunningStack['exchange']>[0]) =>
    String((await stack.exchange(form)).body['decision_id'])
  denied = await decisionOf({ audience: 'orders-db', subject_token: await stack.podToken('quarantine/api') })
  billed = await decisionOf({ audience: 'mainframe-ftp', subject_token: await stack.podToken('billing/batch') })
  refused = await decisionOf({ audience: 'orders-db', subject_token: 'no token' })
  await stack.countOf(refused)
  const calendar = { schema: 1, id: 'holidays', days: ['2026-12-25'] }
  await manage('calendars/holidays', { method: 'PUT', body: calendar, headers: { 'if-none-match': '*' } })
})
afterEach(async () => expect(await stack.leaks()).toEqual([]))
afterAll(() => stack?.stop())

const day = 86_400_000
const range = () => ({
  from: new Date(Date.now() - day).toISOString(),
  to: new Date(Date.now() + day).toISOString(),
})

function search(query: Readonly<Record<string, string>>, roles?: readonly string[]) {
  return manage(`decisions?${new URLSearchParams({ ...range(), ...query })}`, { ...(roles && { roles }) })
}

async function found(query: Readonly<Record<string, string>>, roles?: readonly string[]): Promise<readonly Document[]> {
  const answer = await search(query, roles)
  expect({ status: answer.status, body: answer.body }).toMatchObject({ status: 200 })
  return answer.body['decisions'] as Document[]
}

const decisionsOf = (records: readonly Document[]) => new Set(records.map(({ decision }) => decision))

describe('a search', () => {
  test.each<[string, () => Readonly<Record<string, string>>, (exchanged: Document) => boolean]>([
    ['issuer', () => ({ issuer: 'aks-local', kind: 'exchange' }), () => true],
    ['subject', () => ({ subject: 'system:serviceaccount:payments:api' }), ofPayments],
    ['namespace', () => ({ namespace: 'billing' }), by(() => billed)],
    ['service account', () => ({ serviceAccount: 'batch' }), by(() => billed)],
    ['pod', () => ({ pod: 'api-0' }), by(() => denied)],
    ['target', () => ({ target: 'mainframe-ftp' }), by(() => billed)],
    ['rule', () => ({ rule: 'quarantine' }), by(() => denied)],
    ['outcome', () => ({ outcome: 'denied' }), by(() => denied)],
    ['reason', () => ({ reason: 'denied_by_rule' }), by(() => denied)],
    ['lease', () => ({ lease: issued.lease_id ?? '' }), by(() => issued.decision_id)],
    ['two filters', () => ({ serviceAccount: 'api', outcome: 'allowed' }), ofPayments],
  ])('by %s finds the exchanges of which that is so, and no other', async (_, query, isFound) => {
    const exchanged = (await stack.records()).filter(({ kind }) => kind === 'exchange')
    const expected = decisionsOf(exchanged.filter(isFound))
    expect(expected).not.toEqual(new Set())
    expect(decisionsOf(await found(query()))).toEqual(expected)
  })

  test('by operator finds the changes that they made', async () => {
    const changes = await found({ operator: operator.objectId })
    expect(changes.map(({ outcome }) => outcome).toSorted()).toEqual(['done', 'intended'])
    expect(await found({ operator: randomUUID() })).toEqual([])
  })

  test.each<[string, Readonly<Record<string, string>>, string]>([
    ['without a time range', { from: '' }, '/from'],
    ['of more than 31 days', { from: '2026-01-01T00:00:00Z', to: '2026-02-01T00:00:01Z' }, '/to'],
    ['that ends before it begins', { from: '2026-02-01T00:00:00Z', to: '2026-01-01T00:00:00Z' }, '/to'],
    ['by a filter that there is not', { targets: 'orders-db' }, '/targets'],
    ['of more than a page', { limit: '501' }, '/limit'],
    ['by an outcome that no record has', { outcome: 'allwed' }, '/outcome'],
    ['by a kind that there is not', { kind: 'bogus' }, '/kind'],
    ['by a reason that is none', { reason: 'no-rule' }, '/reason'],
  ])('%s is refused', async (_, query, pointer) => {
    const answer = await search(query)
    expect({ status: answer.status, problems: answer.body['problems'] }).toMatchObject({
      status: 400,
      problems: expect.arrayContaining([expect.objectContaining({ pointer })]),
    })
  })

  test('with a continuation that no page gave is refused', async () => {
    expect((await search({ continuation: 'bm9uZQ' })).status).toBe(400)
  })

  test.each(['newest', 'oldest'] as const)('gives each record once, page by page, the %s first', async order => {
    const at = (second: number) => `2020-01-01T00:00:0${second}.000Z`
    const about = `pages-${randomUUID()}`
    const made = [1, 2, 2, 2, 2, 3].map((second, index) => ({
      schema: 1,
      stream: `2020-01-01T00/${index % 2}/0`,
      id: String(index),
      at: at(second),
      kind: 'made-up',
      outcome: 'denied',
      asked: { target: about },
    }))
    for (const record of made)
      await stack.documents.container('decisions').items.create({ ...record, id: `${about}${record.id}` })
    const seen: Document[] = []
    let continuation: string | undefined
    do {
      const query = { from: at(0), to: at(4), target: about, order, limit: '2' }
      const answer = await search({ ...query, ...(continuation !== undefined && { continuation }) })
      const page = answer.body['decisions'] as Document[]
      expect(page.length).toBeLessThanOrEqual(2)
      seen.push(...page)
      continuation = answer.body['continuation'] as string | undefined
    } while (continuation !== undefined)
    const times = seen.map(record => String(record['at']))
    expect(times).toEqual(order === 'newest' ? times.toSorted().toReversed() : times.toSorted())
    expect(seen.map(({ id }) => id).toSorted()).toEqual(made.map(({ id }) => `${about}${id}`))
  })
})

describe('a decision', () => {
  test('is found by the id that its caller was given', async () => {
    const answer = await manage(`decisions/${issued.decision_id}`)
    expect(answer.body['decisions']).toEqual((await stack.recordsOf(issued.decision_id)).map(withoutSystem))
  })

  test('that was only counted is found by the id in its sample', async () => {
    const { count } = await stack.countOf(refused)
    expect((await manage(`decisions/${refused}`)).body['decisions']).toEqual([withoutSystem(count)])
  })

  test('that there is not is 404', async () => {
    expect((await manage(`decisions/${randomUUID()}`)).status).toBe(404)
    expect((await manage('decisions/none')).status).toBe(404)
  })
})

describe('an export', () => {
  test('has one record a line, whole as it is stored, and tells in a header where it goes on', async () => {
    const query = new URLSearchParams({ ...range(), kind: 'exchange', order: 'oldest', limit: '2' })
    const first = await manage(`decisions?${query}`, { headers: { accept: 'application/jsonl' } })
    expect(first.headers.get('content-type')).toBe('application/jsonl')
    query.set('continuation', first.headers.get('x-causeway-continuation') ?? '')
    const second = await manage(`decisions?${query}&format=jsonl`)
    expect(second.headers.get('x-causeway-continuation')).toBeNull()
    const lines = `${first.text}${second.text}`.trimEnd().split('\n')
    const exchanged = (await stack.records()).filter(({ kind }) => kind === 'exchange').map(withoutSystem)
    expect(lines.map(line => JSON.parse(line))).toEqual(
      exchanged.toSorted((a, b) => (String(a['at']) < String(b['at']) ? -1 : 1)),
    )
  })

  test('by stream, with its registrations and checkpoints, is what verify-log proves', async () => {
    await stack.gateway.runTimer('checkpoint')
    const hour = 3_600_000
    const start = Math.floor(Date.now() / hour) * hour - hour
    const span = { from: new Date(start).toISOString(), to: new Date(start + 3 * hour).toISOString() }
    const lines: string[] = []
    for (const kind of ['registrations', 'checkpoints', undefined]) {
      const query = new URLSearchParams({
        ...span,
        order: 'stream',
        format: 'jsonl',
        limit: '3',
        ...(kind && { kind }),
      })
      for (let more: string | null = ''; more !== null; ) {
        const page = await manage(`decisions?${query}`)
        expect(page.status).toBe(200)
        lines.push(...page.text.split('\n').filter(line => line !== ''))
        more = page.headers.get('x-causeway-continuation')
        query.set('continuation', more ?? '')
      }
    }
    const records = lines.filter(line => line.includes('"previous"') && !line.includes('"heads"'))
    expect(records.length).toBeGreaterThan(3)
    const inChain = (await stack.records()).filter(({ stream }) => !String(stream).startsWith('2020'))
    expect(records.length).toBe(inChain.length)
    expect(await findingsIn(lines)).toEqual([])
  })

  test('of registrations and checkpoints has what proves the log', async () => {
    const [from, to] = ['2020-03-01T00:00:00Z', '2020-03-02T00:00:00Z']
    const registration = {
      id: randomUUID(),
      hour: '2020-03-01T00',
      stream: 's',
      openedAt: '2020-03-01T00:00:01.000Z',
      ttl: 9,
    }
    const checkpoint = { id: randomUUID(), day: '2020-03-01', at: '2020-03-01T00:01:00.000Z', heads: [] }
    await stack.documents.container('streams').items.create(registration)
    await stack.documents.container('checkpoints').items.create(checkpoint)
    const exported = async (kind: string) => (await search({ from, to, kind, format: 'jsonl' })).text
    expect(await exported('registrations')).toBe(`${JSON.stringify(registration)}\n`)
    expect(await exported('checkpoints')).toBe(`${JSON.stringify(checkpoint)}\n`)
    expect((await search({ kind: 'checkpoints', target: 'orders-db' })).status).toBe(400)
  })
})

describe('a role for one namespace', () => {
  const roles = ['Decisions.Read.payments']

  test('shows the records of its workloads, and neither counts nor changes nor what proves the log', async () => {
    const shown = await found({}, roles)
    expect(shown.length).toBeGreaterThan(0)
    expect(
      shown.filter(({ kind, workload }) => kind !== 'exchange' || (workload as Document)['namespace'] !== 'payments'),
    ).toEqual([])
    expect(await found({ namespace: 'billing' }, roles)).toEqual([])
    expect((await search({ kind: 'checkpoints' }, roles)).status).toBe(403)
  })

  test('finds no decision of another namespace by its id, nor one that was only counted', async () => {
    const statusOf = async (decision: string) => (await manage(`decisions/${decision}`, { roles })).status
    expect(await Promise.all([issued.decision_id, billed, denied, refused].map(statusOf))).toEqual([200, 404, 404, 404])
  })
})

/** All of them are allowed; there are two where a window was about to end when the first was issued. */
const ofPayments = ({ workload }: Document) => (workload as Document)['namespace'] === 'payments'

function by(decision: () => string) {
  return (record: Document) => record['decision'] === decision()
}

/** What `causeway verify-log --file` finds, by the key of the vault. */
async function findingsIn(lines: readonly string[]): Promise<readonly unknown[]> {
  const { folder, remove } = await folderWith({ 'export.jsonl': `${lines.join('\n')}\n` })
  try {
    const { auditor, ca, checkpointKey } = stack.description
    const args = ['verify-log', '--key', checkpointKey, '--file', join(folder, 'export.jsonl'), '--json']
    const { out, err } = await causeway(args, {
      IDENTITY_ENDPOINT: auditor.endpoint,
      IDENTITY_HEADER: auditor.header,
      AZURE_CLIENT_ID: auditor.clientId,
      NODE_EXTRA_CA_CERTS: ca,
    })
    expect(err).toBe('')
    return JSON.parse(out).findings
  } finally {
    await remove()
  }
}

function withoutSystem(document: Document): Document {
  return Object.fromEntries(Object.entries(document).filter(([name]) => !name.startsWith('_')))
}
