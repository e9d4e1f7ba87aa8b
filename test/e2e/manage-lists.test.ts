import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { audience } from '../../infra/local/world.ts'
import { type Document, type RunningStack, runStack } from '../running-stack.ts'
import { type AskManage, askingOf } from './operator-requests.ts'

let stack: RunningStack
let manage: AskManage

beforeAll(async () => {
  stack = await runStack()
  manage = await askingOf(stack)
  for (const [container, documents] of Object.entries(stored)) {
    for (const document of documents)
      await stack.documents.container(container).items.create({ schema: 1, ...document })
  }
})
afterAll(() => stack?.stop())

const workloads = [{ issuer: 'aks-local', namespace: 'nobody' }]
const rule = (id: string, changes: Document): Document => ({
  id,
  target: 'mainframe-ftp',
  effect: 'allow',
  workloads,
  ...changes,
})
const issuer = (id: string, changes: Document): Document => ({
  ...{ id, issuerUrl: `https://${id}.example/`, audiences: [audience] },
  ...changes,
})
const lockdown = (id: string, changes: Document): Document => ({
  id,
  reason: 'test',
  blocks: { namespace: 'nobody' },
  ...changes,
})

const stored: Readonly<Record<string, readonly Document[]>> = {
  rules: [
    rule('drafted', { state: 'draft' }),
    rule('denied', { effect: 'deny', state: 'enforced' }),
    rule('all-denied', { target: '*', effect: 'deny', state: 'draft' }),
    rule('all-limited', { target: '*', effect: 'limit', limit: { ttl: 'PT5M' } }),
  ],
  issuers: [issuer('off', { kind: 'oidc', enabled: false }), issuer('on', { kind: 'oidc', enabled: true })],
  lockdowns: [lockdown('past', { expiresAt: '2026-01-01T00:00:00Z' }), lockdown('standing', {})],
}

async function idsOf(query: string): Promise<readonly string[]> {
  const { status, body } = await manage(query)
  expect({ query, status, body }).toMatchObject({ status: 200 })
  const [kind = ''] = query.split('?')
  const found = body[kind] as readonly Record<string, Document>[]
  return found.map(each => String(each[kind.slice(0, -1)]?.['id'])).toSorted()
}

describe('a list has what its filter says, and what leaves a member out counts as what that stands for', () => {
  test.each<[string, readonly string[]]>([
    ['rules?target=orders-db', ['payments-api-orders']],
    ['rules?target=mainframe-ftp&state=draft', ['drafted']],
    ['rules?target=mainframe-ftp&state=enforced', ['billing-batch-mainframe', 'denied']],
    ['rules?target=mainframe-ftp&effect=deny', ['denied']],
    ['rules?effect=deny', ['all-denied', 'denied', 'quarantine']],
    ['rules?target=*&state=enforced', ['all-limited', 'quarantine']],
    ['guardrails?state=draft', ['all-denied']],
    ['guardrails?effect=limit', ['all-limited']],
    ['targets?provider=key-vault-secret', ['mainframe-ftp']],
    ['targets?provider=key-vault-secret&enabled=false', []],
    ['issuers?kind=oidc', ['off', 'on']],
    ['issuers?kind=oidc&enabled=true', ['on']],
    ['issuers?kind=aks&enabled=true', ['aks-local']],
    ['issuers?enabled=false', ['off']],
    ['lockdowns?standing=true', ['standing']],
    ['lockdowns?standing=false', ['past']],
    ['lockdowns', ['past', 'standing']],
  ])('%s', async (query, ids) => {
    expect(await idsOf(query)).toEqual(ids)
  })
})

describe('what a list cannot be asked for is refused with its name, and not passed over', () => {
  test.each<[string, string]>([
    ['rules?targte=orders-db', '/targte'],
    ['rules?state=enforcd', '/state'],
    ['rules?effect=', '/effect'],
    [`rules?target=${'a'.repeat(3_000)}`, '/target'],
    ['guardrails?target=orders-db', '/target'],
    ['targets?provider=postgrsql', '/provider'],
    ['targets?enabled=yes', '/enabled'],
    ['issuers?kind=bogus', '/kind'],
    ['calendars?state=draft', '/state'],
    ['lockdowns?standing=1', '/standing'],
    ['access?target=orders-db&page=2', '/page'],
    ['leases/none?__proto__=1', '/__proto__'],
    ['rules?limit=0', '/limit'],
    ['rules?limit=101', '/limit'],
    ['leases?limit=501', '/limit'],
    [`leases?namespace=${'a'.repeat(513)}`, '/namespace'],
    [`rules?continuation=${'a'.repeat(17_000)}`, '/continuation'],
  ])('%s', async (query, pointer) => {
    const { status, body } = await manage(query)
    expect({ status, body }).toMatchObject({ status: 400, body: { problems: [{ pointer }] } })
  })

  test('a misspelt word is told those that there are', async () => {
    const { body } = await manage('targets?provider=postgrsql')
    const [{ detail }] = body['problems'] as [Document]
    for (const kind of ['key-vault-secret', 'mysql', 'postgresql', 'found "postgrsql"']) expect(detail).toContain(kind)
  })

  test.each<[string, string]>([
    ['rules?target=orders-db&target=orders-db', '/target'],
    ['rules?target=orders-db&target=mainframe-ftp&state=enforced', '/target'],
    ['targets?limit=5&limit=5', '/limit'],
    ['rules/orders-db/payments-api-orders/versions?continuation=a&continuation=b', '/continuation'],
    ['leases?namespace=payments&namespace=billing', '/namespace'],
    ['decisions?from=2026-11-22T00:00:00Z&to=2026-11-23T00:00:00Z&subject=a&subject=b', '/subject'],
    ['access?namespace=payments&namespace=billing', '/namespace'],
    ['changes?continuation=a&continuation=b', '/continuation'],
  ])('what is there twice is said to be, and neither is taken: %s', async (query, pointer) => {
    expect(await manage(query)).toMatchObject({
      status: 400,
      body: { problems: [{ pointer, detail: 'expected once' }] },
    })
  })

  test('a continuation that no page has told', async () => {
    expect(await manage('rules?continuation=nonsense')).toMatchObject({
      status: 400,
      body: { detail: 'continuation: expected what an earlier page said' },
    })
  })
})

test('a list that is asked for no number has a hundred on a page, and says where it goes on', async () => {
  const ids = Array.from({ length: 101 }, (_, at) => `year-${at}`)
  const days = { schema: 1, days: ['2026-12-25'] }
  await Promise.all(ids.map(id => stack.documents.container('calendars').items.upsert({ ...days, id })))
  const { body } = await manage('calendars')
  expect(body['calendars']).toHaveLength(100)
  const rest = await manage(`calendars?continuation=${encodeURIComponent(String(body['continuation']))}`)
  expect(rest.body['calendars']).not.toHaveLength(0)
  expect(rest.body['continuation']).toBe(undefined)
})

test('a list of several pages has every document once, also behind a filter', async () => {
  const ids = Array.from({ length: 23 }, (_, at) => `many-${at}`)
  for (const id of ids) {
    const created = { schema: 1, id, target: `of-${id}`, effect: 'allow', workloads, state: 'draft' }
    await stack.documents.container('rules').items.upsert(created)
  }
  const found: string[] = []
  let pages = 0
  for (let next: unknown = ''; next !== undefined; pages += 1) {
    const more = next === '' ? '' : `&continuation=${encodeURIComponent(String(next))}`
    const { status, body } = await manage(`rules?state=draft&effect=allow&limit=4${more}`)
    expect(status).toBe(200)
    const page = body['rules'] as readonly { readonly rule: Document }[]
    expect(page.length).toBeLessThanOrEqual(4)
    found.push(...page.map(({ rule: each }) => String(each['id'])))
    next = body['continuation']
  }
  expect(pages).toBeGreaterThanOrEqual(6)
  expect(found.toSorted()).toEqual(['drafted', ...ids].toSorted())
})
