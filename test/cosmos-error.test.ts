import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { askCosmos } from '../shared/cosmos-error.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

const unavailable = { code: 'temporarily_unavailable', reason: 'record_unavailable' }
const secretText = 'https://account.documents.azure.com/?sig=hunter2'

describe('whoever asks Cosmos DB', () => {
  test('gets its answer, and leaves no timer behind', async () => {
    expect(await askCosmos('record_unavailable', async () => 'answer')).toBe('answer')
    expect(vi.getTimerCount()).toBe(0)
  })

  test('waits four seconds and not longer, and then is told 503', async () => {
    let came: unknown = 'nothing'
    const asking = askCosmos('record_unavailable', () => new Promise(() => {})).catch((error: unknown) => {
      came = error
    })
    await vi.advanceTimersByTimeAsync(3_999)
    expect(came).toBe('nothing')
    await vi.advanceTimersByTimeAsync(1)
    await asking
    expect(came).toMatchObject(unavailable)
    expect(vi.getTimerCount()).toBe(0)
  })

  test('takes an answer of the last millisecond', async () => {
    const asking = askCosmos('record_unavailable', () => new Promise(resolve => setTimeout(resolve, 3_999, 'late')))
    await vi.advanceTimersByTimeAsync(3_999)
    expect(await asking).toBe('late')
  })

  test('is not disturbed by what fails after it has gone', async () => {
    const asking = askCosmos(
      'record_unavailable',
      () => new Promise((_, reject) => setTimeout(reject, 5_000, new Error('too late'))),
    )
    const failure = expect(asking).rejects.toMatchObject(unavailable)
    await vi.advanceTimersByTimeAsync(10_000)
    await failure
  })

  test.each<[string, () => Promise<never>]>([
    ['answers', () => Promise.reject(Object.assign(new Error(secretText), { code: 503, substatus: 1002 }))],
    [
      'throws at once',
      () => {
        throw Object.assign(new Error(secretText), { code: 503, substatus: 1002 })
      },
    ],
  ])('is told 503 where the client %s with an error, by its status and never by its text', async (_, ask) => {
    const error = await askCosmos('record_unavailable', ask).catch(thrown => thrown)
    expect(error).toMatchObject({ ...unavailable, detail: { code: '503' } })
    expect(JSON.stringify(error.detail)).not.toContain('hunter2')
    expect(vi.getTimerCount()).toBe(0)
  })
})
