import { connect, createServer, type Server, type Socket } from 'node:net'
import { setTimeout } from 'node:timers/promises'

/** A network between a client and the server on a port, which passes on what the server says at once. */
export interface HoldingProxy {
  readonly port: number
  /** Messages of clients that were passed on so far, and those that wait. */
  passed(): number
  waiting(): number
  letOne(): void
  letAll(): void
  /** Breaks every connection, as a network does: with a reset. */
  cut(): void
  stop(): Promise<void>
}

/** Passes on the first `passing` messages of clients, and each further one only when it is let. */
export async function startHoldingProxy(to: number, passing = 0): Promise<HoldingProxy> {
  const held: (() => void)[] = []
  const sockets: Socket[] = []
  let isOpen = false
  let passed = 0
  const server = createServer(near => {
    const far = connect(to, 'localhost')
    far.pipe(near)
    near.on('data', bytes => {
      const pass = () => {
        passed++
        far.write(bytes)
      }
      if (isOpen || passed < passing) pass()
      else held.push(pass)
    })
    near.on('close', () => far.destroy())
    for (const socket of [near, far]) socket.on('error', () => {})
    sockets.push(near, far)
  })
  const letOne = () => held.shift()?.()
  return {
    port: await listening(server),
    passed: () => passed,
    waiting: () => held.length,
    letOne,
    letAll: () => {
      isOpen = true
      while (held.length > 0) letOne()
    },
    cut: () => {
      for (const socket of sockets) socket.resetAndDestroy()
    },
    stop: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise(resolve => server.close(resolve))
    },
  }
}

/** Listens on any free port of the loopback. */
export async function listening(server: Server): Promise<number> {
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

/**
 * A login but for its last message: `login` says through which port it was let in, and says goodbye in one message. Its
 * messages are counted on a first one.
 */
export async function holdLastMessage(
  to: number,
  login: (port: number) => Promise<boolean>,
): Promise<{ finish(): Promise<boolean> }> {
  const counting = await startHoldingProxy(to, Number.POSITIVE_INFINITY)
  if (!(await login(counting.port))) throw new Error('expected the account to be let in')
  const messages = counting.passed() - 1
  await counting.stop()
  const proxy = await startHoldingProxy(to, messages - 1)
  const entered = login(proxy.port)
  while (proxy.waiting() === 0) await setTimeout(10)
  return {
    finish: async () => {
      proxy.letAll()
      return entered.finally(() => proxy.stop())
    },
  }
}
