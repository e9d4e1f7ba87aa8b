import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { vaultKey } from '../../infra/cli/vault-key.ts'
import { openCertificateAuthority } from '../../infra/local/certificate-authority.ts'
import { type LocalKeyVault, startKeyVault } from '../../infra/local/key-vault/key-vault.ts'

let dir: string
let vault: LocalKeyVault
let mayRead = true
const trusted = getCACertificates()

async function start(): Promise<void> {
  const authority = await openCertificateAuthority(dir)
  setDefaultCACertificates([...trusted, authority.certificate])
  vault = await startKeyVault({
    certificate: await authority.issue(),
    authority: 'https://localhost:1/tenant',
    authenticate: async () => 'auditor',
    authorize: () => false,
    authorizeKey: () => mayRead,
    dir,
  })
}

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'causeway-vault-'))
  await start()
})
afterAll(async () => {
  await vault?.stop()
  setDefaultCACertificates(trusted)
  await rm(dir, { recursive: true })
})

/** The key of a version of `checkpoints`, as a checkpoint names it. */
function find(version: string) {
  const credential = { getToken: async () => ({ token: 'token', expiresOnTimestamp: Date.now() + 3_600_000 }) }
  return vaultKey(`${vault.url}/keys/checkpoints`, credential)(`${vault.url}/keys/checkpoints/${version}`)
}

test('a version that the vault has is a key on P-256', async () => {
  const { version } = vault.createKey('checkpoints')
  expect((await find(version))?.asymmetricKeyDetails).toMatchObject({ namedCurve: 'prime256v1' })
})

test('one that it does not have, of another kind or on another curve is none, and ends no verification', async () => {
  const [{ version: rsa }, { version: other }] = [
    vault.createKey('checkpoints', { kty: 'RSA' }),
    vault.createKey('checkpoints'),
  ]
  await vault.stop()
  const kept = JSON.parse(await readFile(join(dir, 'keys.json'), 'utf8'))
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' })
  kept.checkpoints.at(-1).jwk = privateKey.export({ format: 'jwk' })
  await writeFile(join(dir, 'keys.json'), JSON.stringify(kept))
  await start()
  for (const version of ['deadbeefdeadbeefdeadbeefdeadbeef', rsa, other]) expect(await find(version)).toBeUndefined()
})

test('what may not be read is no answer: nobody can tell whose key it is', async () => {
  mayRead = false
  await expect(find('deadbeefdeadbeefdeadbeefdeadbeef')).rejects.toMatchObject({ statusCode: 403 })
})
