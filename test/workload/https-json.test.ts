import { mkdtemp, rm } from 'node:fs/promises'
import type { RequestListener } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { openCertificateAuthority } from '../../infra/local/certificate-authority.ts'
import { type Listener, listen } from '../../infra/local/listener.ts'
import { fetchJson } from '../../shared/workload/https-json.ts'

let folder: string
let server: Listener
let answer: RequestListener
let asked: string[]

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'causeway-test-'))
  const authority = await openCertificateAuthority(folder)
  setDefaultCACertificates([...getCACertificates('default'), authority.certificate])
  server = await listen(
    (request, response) => {
      asked.push(request.url ?? '')
      answer(request, response)
    },
    { certificate: await authority.issue() },
  )
})
afterAll(async () => {
  await server?.stop()
  await rm(folder, { recursive: true, force: true })
})
beforeEach(() => {
  asked = []
  answer = (_, response) => response.end('{"keys":[]}')
})

const ask = (network: 'public' | 'private' = 'private') => fetchJson(new URL(`${server.url}/keys`), network)

test('a document of a private issuer is fetched', async () => {
  expect(await ask()).toEqual({ keys: [] })
})

describe('private addresses are refused to a public issuer, before a request is made', () => {
  test('behind a name', async () => {
    await expect(ask('public')).rejects.toThrow('a private address')
    expect(asked).toEqual([])
  })

  test('behind a name to which there is a connection already, of a private issuer', async () => {
    await ask('private')
    asked = []
    await expect(ask('public')).rejects.toThrow('a private address')
    expect(asked).toEqual([])
  })

  test.each([
    '127.0.0.1',
    '127.1',
    '2130706433',
    '0x7f.0.0.1',
    '0.0.0.0',
    '10.1.2.3',
    '100.64.0.1',
    '168.63.129.16',
    '169.254.169.254',
    '172.31.255.255',
    '192.168.1.1',
    '224.0.0.1',
    '255.255.255.255',
    '[::1]',
    '[::]',
    '[::127.0.0.1]',
    '[::7f00:1]',
    '[::ffff:0:7f00:1]',
    '[::ffff:127.0.0.1]',
    '[::ffff:169.254.169.254]',
    '[64:ff9b::7f00:1]',
    '[fc00::1]',
    '[fd12:3456::1]',
    '[fe80::1]',
    '[fec0::1]',
    '[ff02::1]',
    '[100::1]',
    '[2001::1]',
    '[2001:0:4136:e378:8000:63bf:3fff:fdd2]',
    '[2002:7f00:1::]',
    '[2002:a9fe:a9fe::1]',
  ])('as %s', async host => {
    const { port } = server
    await expect(fetchJson(new URL(`https://${host}:${port}/keys`), 'public')).rejects.toThrow('a private address')
    expect(asked).toEqual([])
  })
})

describe('refused', () => {
  test('plain http', async () => {
    await expect(fetchJson(new URL('http://oidc.example/keys'), 'private')).rejects.toThrow('expected an https URL')
  })

  test('a redirect, which is not followed', async () => {
    answer = (_, response) => response.writeHead(302, { location: '/elsewhere' }).end()
    await expect(ask()).rejects.toThrow('status 302')
    expect(asked).toEqual(['/keys'])
  })

  test.each([204, 404, 500])('status %s', async status => {
    answer = (_, response) => response.writeHead(status).end()
    await expect(ask()).rejects.toThrow(`status ${status}`)
  })

  test('an answer over 100 KiB, and not one of 100 KiB', async () => {
    const ofSize = (size: number) => `"${'x'.repeat(size - 2)}"`
    answer = (_, response) => response.end(ofSize(100 * 1024))
    await expect(ask()).resolves.toHaveLength(100 * 1024 - 2)
    answer = (_, response) => response.end(ofSize(100 * 1024 + 1))
    await expect(ask()).rejects.toThrow('the answer is over 100 KiB')
  })

  test('an answer without an end, once it is over 100 KiB', async () => {
    answer = (_, response) => {
      const more = () => response.destroyed || response.write('x'.repeat(16_384), more)
      more()
    }
    await expect(ask()).rejects.toThrow('the answer is over 100 KiB')
  })

  test('an answer that is cut off', async () => {
    answer = (_, response) => {
      response.writeHead(200, { 'content-length': '100' })
      response.write('{', () => response.destroy())
    }
    await expect(ask()).rejects.toThrow()
  })

  test('what is no JSON', async () => {
    answer = (_, response) => response.end('<html>')
    await expect(ask()).rejects.toThrow(SyntaxError)
  })

  test('a server whose certificate nobody vouches for', async () => {
    const other = await openCertificateAuthority(join(folder, 'other'))
    const impostor = await listen((_, response) => response.end('{}'), { certificate: await other.issue() })
    try {
      await expect(fetchJson(new URL(impostor.url), 'private')).rejects.toThrow(/certificate|signature/)
    } finally {
      await impostor.stop()
    }
  })
})
