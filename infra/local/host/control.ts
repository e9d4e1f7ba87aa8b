import { z } from 'zod'

/** What the parent process asks of a host. Over the IPC channel, so that nothing on the network can. */
export type Command = z.infer<typeof command>

/** How a run ended. */
export type Reply = z.infer<typeof reply>

export const command = z.discriminatedUnion('do', [
  z.object({ do: z.literal('stop') }),
  z.object({ do: z.literal('run-timer'), id: z.int(), name: z.string() }),
])

export const reply = z.object({ id: z.int(), error: z.string().optional() })

interface Controlled {
  readonly runTimer: (name: string) => Promise<void>
  /** Called more than once. */
  readonly stop: () => void
}

/** Ends this process if its parent goes while it starts. Returns how to let go, once somebody obeys the parent. */
export function exitWithParent(): () => void {
  const exit = () => process.exit(1)
  process.on('disconnect', exit)
  return () => void process.off('disconnect', exit)
}

/** Obeys the parent process and the usual signals. A host whose parent is gone stops: nothing is left behind. */
export function obeyParent({ runTimer, stop }: Controlled): void {
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
  if (!process.connected) return
  process.on('disconnect', stop)
  process.on('message', message => {
    const parsed = command.parse(message)
    if (parsed.do === 'stop') stop()
    else void runTimer(parsed.name).then(...replies(parsed.id))
  })
}

function replies(id: number): [() => void, (error: unknown) => void] {
  return [() => send({ id }), error => send({ id, error: error instanceof Error ? error.message : String(error) })]
}

function send(message: Reply): void {
  // The parent may have gone meanwhile; then nobody asks any more.
  if (process.connected) process.send?.(message)
}
