import type { IncomingHttpHeaders, IncomingMessage, RequestListener } from 'node:http'
import { text } from 'node:stream/consumers'
import { type Listener, type ListenOptions, listen } from './listener.ts'

/** A request, read whole. */
export interface JsonRequest {
  readonly method: string
  readonly url: URL
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** What goes back: `body` becomes JSON. */
export interface JsonAnswer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body: unknown
}

export type AnswerRequest = (request: JsonRequest) => JsonAnswer | Promise<JsonAnswer>

/** Listens and answers in JSON. `answering` is given the listener's own URL, which issuers and vaults put in what they say. */
export async function listenForJson(
  options: ListenOptions,
  answering: (url: string) => AnswerRequest,
): Promise<Listener> {
  const ready = Promise.withResolvers<AnswerRequest>()
  const listener = await listen(toListener(ready.promise), options)
  ready.resolve(answering(listener.url))
  return listener
}

function toListener(ready: Promise<AnswerRequest>): RequestListener {
  return (incoming, outgoing) => {
    readRequest(incoming)
      .then(async request => (await ready)(request))
      .catch(failed)
      .then(({ status, headers, body }) => {
        outgoing.writeHead(status, { 'content-type': 'application/json; charset=utf-8', ...headers })
        outgoing.end(JSON.stringify(body))
      })
      .catch(() => outgoing.destroy())
  }
}

async function readRequest(incoming: IncomingMessage): Promise<JsonRequest> {
  return {
    method: incoming.method ?? 'GET',
    url: new URL(`http://localhost${incoming.url}`),
    headers: incoming.headers,
    body: await text(incoming),
  }
}

/** A bug in the stand-in: said on the console, since whoever called it cannot see it. */
function failed(error: unknown): JsonAnswer {
  console.error(error)
  return { status: 500, body: { error: { code: 'InternalError', message: 'The stand-in failed; see its console.' } } }
}
