import type { ChildProcess } from 'node:child_process'

/** What a process of the benchmark's answers to a message. It answers them one after the other. */
export async function ask<Answer>(child: ChildProcess, message: object): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>()
  const gone = () => reject(new Error('a process of the benchmark has ended'))
  child.once('message', resolve)
  child.once('exit', gone)
  try {
    child.send(message, error => error && reject(error))
    return await promise
  } finally {
    child.off('message', resolve)
    child.off('exit', gone)
  }
}
