import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A gateway that answers what it is told to, by method and path, and remembers what it was asked. Text is sent as it is. */
export async function stubGateway(answers: Readonly<Record<string, readonly [number, unknown]>>) {
  const asked: string[] = []
  const server = createServer((request, response) => {
    const question = `${request.method} ${request.url}`
    asked.push(question)
    const [status, body] = answers[question] ?? (request.method === 'GET' ? [200, empty(request.url)] : [500, {}])
    request
      .resume()
      .on('end', () => response.writeHead(status).end(typeof body === 'string' ? body : JSON.stringify(body)))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const url = `http://127.0.0.1:${port}`
  const tenant = { tokenEndpoint: `${url}/token`, adminClientId: 'a', adminSecret: 'b', adminScope: 'c' }
  return { asked, stackFile: { gateway: url, tenant }, stop: () => server.close() }
}

function empty(url = ''): unknown {
  const kind = url.split('/').at(-1) ?? ''
  return { [kind]: [] }
}
