import { createServer, connect as dial, type Socket } from 'node:net'
import { bind } from '../../infra/local/listener.ts'

/** What stands between the gateway and a database: it lets through, or is what breaks. */
export interface Door {
  readonly port: number
  /** The most connections that were open at once. */
  readonly peak: () => number
  /** `shut`: connections are refused and those that were open end. `mute`: they are taken and nobody ever answers. */
  set(state: 'open' | 'shut' | 'mute'): Promise<void>
  stop(): Promise<void>
}

/** Opens a door to a port on this machine. It does not end the TLS that passes through it. */
export async function openDoor(to: number): Promise<Door> {
  const open = new Set<Socket>()
  let peak = 0
  let isMute = false
  const server = createServer(near => {
    keep(near)
    peak = Math.max(peak, open.size)
    if (isMute) return
    const far = dial(to, '127.0.0.1')
    far.on('error', () => near.destroy())
    far.on('close', () => near.destroy())
    near.on('close', () => far.destroy())
    near.pipe(far).pipe(near)
  })

  function keep(socket: Socket): void {
    open.add(socket)
    socket.on('close', () => open.delete(socket))
    socket.on('error', () => socket.destroy())
  }

  async function shut(): Promise<void> {
    for (const socket of open) socket.destroy()
    if (server.listening) await new Promise(done => server.close(done))
  }

  const port = await bind(server, 0)
  return {
    port,
    peak: () => peak,
    async set(state) {
      isMute = state === 'mute'
      await shut()
      if (state !== 'shut') await bind(server, port)
    },
    stop: shut,
  }
}
