import { mkdtemp, rm } from 'node:fs/promises'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TLSSocket } from 'node:tls'
import { expect, onTestFinished, test } from 'vitest'
import { openCertificateAuthority } from '../../infra/local/certificate-authority.ts'
import { postgresql } from '../../shared/credentials/postgresql.ts'
import { Secret } from '../../shared/credentials/secret.ts'
import { failureOf } from '../workload/tokens.ts'
import { permitted } from './permission.ts'

const password = 'the-password-of-the-minter'
const folder = () => mkdtemp(join(tmpdir(), 'causeway-test-'))
/** AuthenticationCleartextPassword: https://www.postgresql.org/docs/current/protocol-message-formats.html */
const asksForPassword = Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 3])

/** A server that somebody else runs, with a certificate of their own authority: it notes all that it is sent. */
async function curiousServer() {
  const dir = await folder()
  const authority = await openCertificateAuthority(dir)
  const { key, cert } = await authority.issue()
  const received: Buffer[] = []
  const server = createServer((socket: Socket) => {
    socket.once('data', () => {
      socket.write('S')
      const secure = new TLSSocket(socket, { isServer: true, key, cert })
      secure.on('error', () => undefined)
      secure.once('data', () => secure.write(asksForPassword))
      secure.on('data', some => void received.push(some))
    })
    socket.on('error', () => undefined)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(async () => {
    server.close()
    await rm(dir, { recursive: true })
  })
  const { port } = server.address() as AddressInfo
  return { port, ca: authority.certificate, received: () => Buffer.concat(received).toString('latin1') }
}

test('a server that asks for the password itself is not told it', async () => {
  const { port, ca, received } = await curiousServer()
  const provider = postgresql({
    readSecret: async () => ({ secret: new Secret(password), version: '1' }),
    now: Date.now,
  })
  const admin = { user: 'causeway_minter', password: { vault: 'corp', secret: 'minter' } }
  const minter = provider.open(
    provider.settings.parse({ host: 'localhost', port, database: 'orders', admin, tls: { ca } }),
  )
  const account = {
    name: 'cw_test_aaaabbbbccccdddd',
    scopes: [{ role: 'orders_read' }],
    expiresAt: Date.now() + 60_000,
  }
  const minting = minter.mint(
    { ...account, mintUntil: Date.now() + 10_000 },
    new Secret('x'),
    permitted(AbortSignal.timeout(5_000)),
  )
  expect(await failureOf(minting)).toMatchObject({ reason: 'target_unavailable' })
  expect(received()).toContain('causeway_minter')
  expect(received()).not.toContain(password)
  await minter.close()
})
