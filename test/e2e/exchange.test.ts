import { afterAll, beforeAll, expect, test } from 'vitest'
import { type RunningStack, runStack } from '../running-stack.ts'

let stack: RunningStack

beforeAll(async () => {
  stack = await runStack()
})
afterAll(() => stack?.stop())

test('a pod that a rule allows gets a login, and a pod that none allows gets invalid_target', async () => {
  const allowed = await stack.exchange({ audience: 'orders-db', scope: 'read' })
  expect(allowed.status).toBe(200)
  const denied = await stack.exchange({ audience: 'mainframe-ftp' })
  expect(denied.body).toMatchObject({ error: 'invalid_target' })
})
