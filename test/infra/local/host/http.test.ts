import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Host, startHost } from '../../../../infra/local/host/spawn.ts'
import { exchange } from './fixture/exchange.ts'
import { bundleFixtureApp, fixtureApp, writeApp } from './fixture/function-app.ts'

let host: Host
const lines: string[] = []

beforeAll(async () => {
  host = await startHost({
    app: fixtureApp,
    env: { FUNCTIONS_REQUEST_BODY_SIZE_LIMIT: '100' },
    onOutput: line => lines.push(line),
  })
})
afterAll(() => host.stop())

async function echo(path: string, sent: Parameters<typeof exchange>[1] = {}) {
  const { status, body } = await exchange(`${host.url}${path}`, sent)
  expect(status).toBe(200)
  return JSON.parse(body.toString())
}

describe('routing', () => {
  test('route parameters are decoded, but for an encoded slash', async () => {
    expect((await echo('/echo/a%20b%2Fc')).params).toEqual({ id: 'a b%2Fc' })
  })

  test('an optional parameter may be missing, and a path may end in a slash', async () => {
    expect((await echo('/echo')).params).toEqual({})
    expect((await echo('/echo/')).params).toEqual({})
  })

  test('text wins over a parameter, whatever was registered first', async () => {
    expect((await exchange(`${host.url}/ECHO/fixed`)).body.toString()).toBe('the fixed one')
  })

  test('a catch-all takes the rest of the path', async () => {
    expect((await echo('/files/a/b/c.txt')).params).toEqual({ folder: 'a', rest: 'b/c.txt' })
  })

  test('two functions share a route and divide its methods', async () => {
    expect((await exchange(`${host.url}/echo/1`, { method: 'DELETE' })).status).toBe(204)
    expect((await echo('/echo/1')).method).toBe('GET')
  })

  test.each([
    ['GET', '/nowhere'],
    ['GET', '/echo/1/2'],
    ['PUT', '/echo/1'],
    ['HEAD', '/echo/1'],
  ])('%s %s is answered 404 with no body', async (method, path) => {
    const { status, headers, body } = await exchange(`${host.url}${path}`, { method })
    expect([status, body.length, headers['x-content-type-options']]).toEqual([404, 0, 'nosniff'])
  })

  test.each(['a b', 'user@localhost', 'localhost/files/a', '[::1'])('the Host "%s" is answered 400', async value => {
    expect((await exchange(`${host.url}/echo`, { headers: { host: value } })).status).toBe(400)
  })

  test('routePrefix is "api" unless host.json says otherwise, and the route is the name of the function', async () => {
    const source = `import { app } from '@azure/functions'
      app.http('hello', { methods: ['GET'], handler: () => ({ body: 'hi' }) })`
    const prefixed = await startHost({ app: writeApp(source, { version: '2.0' }), env: {} })
    expect((await exchange(`${prefixed.url}/api/hello`)).body.toString()).toBe('hi')
    expect((await exchange(`${prefixed.url}/hello`)).status).toBe(404)
    await prefixed.stop()
  })
})

describe('requests', () => {
  test('repeated headers and query values are joined with commas, names in lower case', async () => {
    const { headers, query } = await echo('/echo?a=1&b=2&a=3', { headers: { 'X-Two': ['one', 'two'] } })
    expect(headers['x-two']).toBe('one,two')
    expect(query).toEqual({ a: '1,3', b: '2' })
  })

  test('a header that HTTP allows once is joined too, not dropped', async () => {
    const { headers } = await echo('/echo', { headers: { Authorization: ['Bearer a', 'Bearer b'] } })
    expect(headers.authorization).toBe('Bearer a,Bearer b')
  })

  test('a forged client-ip is replaced by the address of the peer', async () => {
    const { headers } = await echo('/echo', { headers: { 'client-ip': ['203.0.113.9', '203.0.113.8'] } })
    expect(headers['client-ip']).toMatch(/^127\.0\.0\.1:\d+$/)
  })

  test('the peer is appended to x-forwarded-for', async () => {
    const { headers } = await echo('/echo', { headers: { 'x-forwarded-for': '203.0.113.9' } })
    expect(headers['x-forwarded-for']).toBe(`203.0.113.9, ${headers['client-ip']}`)
  })

  test('a client principal passes untouched, as without Easy Auth', async () => {
    const { headers } = await echo('/echo', { headers: { 'x-ms-client-principal': 'forged' } })
    expect(headers['x-ms-client-principal']).toBe('forged')
  })

  test('the caller\u2019s trace goes on in a span of the host', async () => {
    const trace = '4bf92f3577b34da6a3ce929d0e0e4736'
    const { traceParent } = await echo('/echo', { headers: { traceparent: `00-${trace}-00f067aa0ba902b7-01` } })
    expect(traceParent).toMatch(new RegExp(`^00-${trace}-(?!00f067aa0ba902b7)[0-9a-f]{16}-01$`))
    expect((await echo('/echo')).traceParent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/)
  })

  test('a body of exactly the limit is read, one byte more is answered 413', async () => {
    const post = (body: string, headers = {}) => exchange(`${host.url}/echo`, { method: 'POST', body, headers })
    expect(JSON.parse((await post('x'.repeat(100))).body.toString()).body).toHaveLength(100)
    expect((await post('x'.repeat(101))).status).toBe(413)
    expect((await post('x'.repeat(101), { 'transfer-encoding': 'chunked' })).status).toBe(413)
  })

  test('the body of a GET is dropped', async () => {
    expect((await echo('/echo', { body: 'dropped', headers: { 'content-length': 7 } })).body).toBe('')
  })

  test('a caller that leaves before its answer does not disturb the others', async () => {
    const socket = connect(Number(new URL(host.url).port), '127.0.0.1')
    socket.write('GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await expect.poll(() => lines).toContain('slow begins')
    socket.destroy()
    await expect.poll(() => lines).toContain('slow ends')
    expect((await echo('/echo')).method).toBe('GET')
  })

  test('a caller that leaves within its body is not a failure of the function', async () => {
    const before = lines.length
    const socket = connect(Number(new URL(host.url).port), '127.0.0.1')
    socket.write('POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\nhalf')
    await delay(50)
    socket.destroy()
    await delay(50)
    expect((await echo('/echo')).method).toBe('GET')
    expect(lines.slice(before).filter(line => line.includes('failed'))).toEqual([])
  })
})

describe('responses', () => {
  test('bytes, status, cookies and headers arrive as given; the function\u2019s headers win over host.json', async () => {
    const { status, headers, body } = await exchange(`${host.url}/answers`)
    expect(status).toBe(418)
    expect([...body]).toEqual([0, 255, 10])
    expect(headers).toMatchObject({ 'x-content-type-options': 'mine', 'x-other': 'yes', 'content-length': '3' })
    expect(headers['set-cookie']).toEqual(['one=a%20b; Path=/; SameSite=Strict; HttpOnly', 'two=2; Max-Age=60'])
  })

  test('a streamed body is read to its end', async () => {
    expect((await exchange(`${host.url}/streams`)).body.toString()).toBe('one two')
  })

  test('a function that returns nothing is answered 204', async () => {
    const source = `import { app } from '@azure/functions'
      app.http('nothing', { route: 'nothing', methods: ['GET'], handler: () => undefined })`
    const silent = await startHost({ app: writeApp(source), env: {} })
    expect((await exchange(`${silent.url}/nothing`)).status).toBe(204)
    await silent.stop()
  })

  test('an exception is answered 500 with no body, and printed on one line', async () => {
    const { status, body } = await exchange(`${host.url}/throws`)
    expect([status, body.length]).toEqual([500, 0])
    await expect.poll(() => lines).toContain('function throws failed: TypeError: broken\\non purpose')
  })

  test('each log call is one line, from information on, after the log hooks', async () => {
    await exchange(`${host.url}/logs`)
    await expect.poll(() => lines).toContain('two\\nlines')
    await expect.poll(() => lines).toContain('(redacted)')
    expect(lines).toContain("plain { with: 'an object' }")
    expect(lines).not.toContain('too quiet')
  })

  test('invocation hooks change the function, its result and share data', async () => {
    const { headers, body } = await exchange(`${host.url}/hooked`)
    expect([headers['x-hook-data'], body.toString()]).toEqual(['by the first hook', 'from the hook'])
  })
})

test('an app bundled like the production one runs without node_modules', async () => {
  const bundled = await startHost({ app: await bundleFixtureApp(), env: {} })
  expect((await exchange(`${bundled.url}/hooked`)).body.toString()).toBe('from the hook')
  await bundled.stop()
})

describe('limits', () => {
  const source = `import { app } from '@azure/functions'
    let release
    const held = new Promise(resolve => { release = resolve })
    app.http('hold', { methods: ['GET'], handler: async () => { console.log('holding'); await held; return {} } })
    app.timer('release', { schedule: '0 0 0 1 1 *', handler: () => release() })`
  const limited = (http: object) => writeApp(source, { version: '2.0', extensions: { http } })

  test('beyond maxOutstandingRequests a request is answered 429', async () => {
    const entered = Promise.withResolvers<void>()
    const app = limited({ routePrefix: '', maxOutstandingRequests: 1 })
    const small = await startHost({ app, env: {}, onOutput: () => entered.resolve() })
    const first = exchange(`${small.url}/hold`)
    await entered.promise
    expect((await exchange(`${small.url}/hold`)).status).toBe(429)
    await small.runTimer('release')
    expect((await first).status).toBe(200)
    await small.stop()
  })

  test('beyond maxConcurrentRequests a request waits for its turn', async () => {
    const printed: string[] = []
    const app = limited({ routePrefix: '', maxConcurrentRequests: 1 })
    const small = await startHost({ app, env: {}, onOutput: line => printed.push(line) })
    const both = [exchange(`${small.url}/hold`), exchange(`${small.url}/hold`)]
    await expect.poll(() => printed).toEqual(['holding'])
    await small.runTimer('release')
    expect((await Promise.all(both)).map(({ status }) => status)).toEqual([200, 200])
    expect(printed).toEqual(['holding', 'holding'])
    await small.stop()
  })
})
