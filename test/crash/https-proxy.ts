import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Agent, request } from 'node:https'
import { buffer } from 'node:stream/consumers'
import type { Certificate } from '../../infra/local/certificate-authority.ts'
import { type Listener, listen } from '../../infra/local/listener.ts'
import type { Gate } from './gate.ts'
import type { SeenRequest, Step } from './steps.ts'

export interface HttpsProxyOptions {
  /** The origin of the stand-in behind it. */
  readonly to: string
  readonly certificate: Certificate
  readonly gate: Gate
  readonly stepOf: (request: SeenRequest) => Step | undefined
}

/** Stands before Cosmos DB or Key Vault. Requests and answers go through whole: a held one has not begun to arrive. */
export async function startHttpsProxy(options: HttpsProxyOptions): Promise<Listener> {
  const agent = new Agent({ keepAlive: true })
  const { certificate } = options
  const listener = await listen(
    (incoming, outgoing) => {
      forward(incoming, outgoing, { ...options, agent }).catch(() => outgoing.destroy())
    },
    { certificate },
  )
  const stop = async () => {
    await listener.stop()
    agent.destroy()
  }
  return { ...listener, stop }
}

async function forward(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  { to, gate, stepOf, agent }: HttpsProxyOptions & { readonly agent: Agent },
): Promise<void> {
  const { method = 'GET', url: path = '/', headers } = incoming
  const body = await buffer(incoming)
  const step = stepOf({ method, path, headers, body: body.toString() })
  if (step) await gate.pass(step, 'before')
  const asked = request(new URL(path, to), { method, agent, headers: { ...headers, host: new URL(to).host } })
  asked.end(body)
  const [answer]: IncomingMessage[] = await once(asked, 'response')
  if (!answer) throw new TypeError('a response is a message')
  const content = await buffer(answer)
  if (step) await gate.pass(step, 'after')
  outgoing.writeHead(answer.statusCode ?? 500, answer.headers)
  outgoing.end(content)
}
