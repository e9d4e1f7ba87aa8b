import { afterAll, beforeAll, expect, test } from 'vitest'
import { type RunningStack, runStack } from '../running-stack.ts'

let stack: RunningStack

beforeAll(async () => {
  stack = await runStack()
})
afterAll(() => stack?.stop())

test('without Cosmos DB nothing leaves, not even what every cache still holds', async () => {
  const login = await stack.issue({ audience: 'orders-db', scope: 'read' })
  const billing = { audience: 'mainframe-ftp', subject_token: await stack.podToken('billing/batch') }
  const secret = await stack.issue(billing)
  const accounts = await stack.accounts()
  await stack.cosmos.stop()

  const answers = await Promise.all([
    stack.exchange({ audience: 'orders-db', scope: 'read' }),
    stack.exchange({ audience: 'orders-db', scope: 'write' }),
    stack.exchange(billing),
    stack.exchange({ audience: 'never-asked-for' }),
  ])
  for (const { status, headers, body, text } of answers) {
    expect({ status, error: body['error'] }).toEqual({ status: 503, error: 'temporarily_unavailable' })
    expect(Object.keys(body)).toEqual(['error', 'decision_id'])
    expect(headers.get('retry-after')).toMatch(/^[1-9]\d*$/)
    expect(text).not.toContain(login.access_token)
    expect(text).not.toContain(secret.access_token)
    const [line] = await stack.linesOf(String(body['decision_id']))
    expect(line?.reason).toMatch(/^(record|documents|lease)_unavailable$|^snapshot_stale$/)
  }
  expect(await stack.accounts()).toEqual(accounts)
})
