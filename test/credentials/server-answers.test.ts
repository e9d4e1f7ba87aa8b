import { createServer, Socket } from 'node:net'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { answersAt } from '../../shared/credentials/server-answers.ts'
import { unavailable } from '../../shared/errors.ts'
import { listening } from '../conformance/minter/holding-proxy.ts'

const failure = unavailable('target_unavailable', { detail: { code: 'ETIMEDOUT' } })
const never = new AbortController().signal
const place = { host: 'db', port: 5432 }

/** An address at which connecting ends in that way. */
function fails(...errors: readonly Error[]) {
  return answersAt(place, () => new Socket().destroy(errors.length === 1 ? errors[0] : new AggregateError(errors)))
}

function coded(code: string): Error {
  return Object.assign(new Error(`connect ${code}`), { code })
}

describe('a server that was not heard', () => {
  test('is there, perhaps, where something takes connections', async () => {
    const server = createServer()
    const port = await listening(server)
    const told = await answersAt({ host: '127.0.0.1', port })(failure, never)
    server.close()
    expect(told).toMatchObject({ reason: 'target_unavailable', detail: { answer: 'connects', code: 'ETIMEDOUT' } })
  })

  test('is gone where nobody listens', async () => {
    const server = createServer()
    const port = await listening(server)
    await new Promise(resolve => server.close(resolve))
    expect(await answersAt({ host: '127.0.0.1', port })(failure, never)).toBe(failure)
  })

  test.each(['ECONNREFUSED', 'ENOTFOUND', 'EHOSTUNREACH'])(
    'is gone by %s, of all addresses of its name',
    async code => {
      expect(await fails(coded(code))(failure, never)).toBe(failure)
      expect(await fails(coded(code), coded('ECONNREFUSED'))(failure, never)).toBe(failure)
    },
  )

  test.each(['EMFILE', 'EADDRNOTAVAIL', 'ENETUNREACH', 'EAI_AGAIN', 'ECONNRESET', 'EACCES'])(
    'is there, perhaps, by %s: it says more of us',
    async code => {
      expect(await fails(coded(code))(failure, never)).toMatchObject({ detail: { answer: 'unknown' } })
      const some = fails(coded('ECONNREFUSED'), coded(code))
      expect(await some(failure, never)).toMatchObject({ detail: { answer: 'unknown' } })
    },
  )

  test('is there, perhaps, by an address that no connection may be made to', async () => {
    const told = await answersAt({ host: '255.255.255.255', port: 5432 })(failure, never)
    expect(told).toMatchObject({ detail: { answer: 'unknown' } })
  })

  test('is gone by an address that refuses and one of IPv6 that there is no way to', async () => {
    const noWay = Object.assign(coded('ENETUNREACH'), { address: '2001:db8::1' })
    expect(await fails(noWay, coded('ECONNREFUSED'))(failure, never)).toBe(failure)
    expect(await fails(noWay)(failure, never)).toMatchObject({ detail: { answer: 'unknown' } })
  })

  test('is looked for each time: it may be back within one run', async () => {
    const server = createServer()
    const port = await listening(server)
    await new Promise(resolve => server.close(resolve))
    const withAnswer = answersAt({ host: '127.0.0.1', port })
    expect(await withAnswer(failure, never)).toBe(failure)
    await new Promise<void>(resolve => server.listen(port, '127.0.0.1', resolve))
    expect(await withAnswer(failure, never)).toMatchObject({ detail: { answer: 'connects' } })
    await new Promise(resolve => server.close(resolve))
  })

  describe('and drops what is sent to it', () => {
    afterEach(() => {
      vi.useRealTimers()
    })

    test('is gone after three seconds', async () => {
      vi.useFakeTimers()
      const socket = new Socket()
      const telling = answersAt(place, () => socket)(failure, never)
      await vi.advanceTimersByTimeAsync(2_999)
      expect(socket.destroyed).toBe(false)
      await vi.advanceTimersByTimeAsync(1)
      expect(await telling).toBe(failure)
      expect(socket.destroyed).toBe(true)
    })

    test('is no attempt where the time was up before that', async () => {
      const time = new AbortController()
      const socket = new Socket()
      const telling = answersAt(place, () => socket)(failure, time.signal)
      time.abort()
      expect(await telling).toMatchObject({ reason: 'deadline' })
      expect(socket.destroyed).toBe(true)
      const late = answersAt(place, () => new Socket().destroy(coded('ECONNREFUSED')))
      expect(await late(failure, time.signal)).toMatchObject({ reason: 'deadline' })
    })
  })
})

test.each([
  unavailable('target_refused'),
  unavailable('deadline'),
  unavailable('target_unavailable', { detail: { answer: '28P01' } }),
])('a server that told something is not looked for', async told => {
  const dial = () => {
    throw new Error('expected no connection')
  }
  expect(await answersAt(place, dial)(told, never)).toBe(told)
})
