import { createServer } from 'node:net'
import { expect, test } from 'vitest'
import { bind } from '../../../infra/local/listener.ts'
import { startOnFreePort } from '../../../infra/local/ports.ts'

/** As a process does that binds the port by itself, where somebody else was faster so many times. */
function starting(tooLate: number) {
  const tried: number[] = []
  const start = async (port: number) => {
    tried.push(port)
    if (tried.length <= tooLate) throw new Error(`port ${port} is in use`)
    return port
  }
  return { tried, start }
}

test('what finds its port taken meanwhile is started on another one', async () => {
  const { tried, start } = starting(2)
  const port = await startOnFreePort(undefined, start)
  expect(tried).toHaveLength(3)
  expect(tried.at(-1)).toBe(port)
})

test('on the port that was asked for it is tried once, and told that it is in use', async () => {
  const { tried, start } = starting(9)
  const port = await startOnFreePort(undefined, async free => free)
  await expect(startOnFreePort(port, start)).rejects.toThrow(`port ${port} is in use`)
  // None where it was taken in that very moment.
  expect(tried.length).toBeLessThanOrEqual(1)

  const other = createServer()
  const taken = await bind(other, 0)
  await expect(startOnFreePort(taken, start)).rejects.toThrow(`port ${taken} is in use`)
  expect(tried).not.toContain(taken)
  other.close()
})

test('what fails for another reason, or again and again, is not tried for ever', async () => {
  const failing = async () => {
    throw new Error('no licence')
  }
  await expect(startOnFreePort(undefined, failing)).rejects.toThrow('no licence')
  const { tried, start } = starting(9)
  await expect(startOnFreePort(undefined, start)).rejects.toThrow('is in use')
  expect(tried).toHaveLength(5)
})
