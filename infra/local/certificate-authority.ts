import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { generate } from 'selfsigned'

/** A private key and its certificate chain, both PEM. */
export interface Certificate {
  readonly key: string
  readonly cert: string
}

/** Signs the certificates of every local stand-in, so that the Azure SDKs run over https unmodified. */
export interface CertificateAuthority {
  /** The file for `NODE_EXTRA_CA_CERTS`. */
  readonly path: string
  readonly certificate: string
  /** A certificate for loopback (`localhost`, 127.0.0.1, ::1). */
  issue(): Promise<Certificate>
}

const tenYears = 3650 * 86_400_000

/** Opens the authority kept in `dir`, making it on first use: a restart keeps its certificate, so clients keep trusting. */
export async function openCertificateAuthority(dir: string): Promise<CertificateAuthority> {
  const path = join(dir, 'ca.pem')
  const keyPath = join(dir, 'ca-key.pem')
  if (!existsSync(path)) {
    await mkdir(dir, { recursive: true })
    const made = await makeAuthority()
    await writeFile(keyPath, made.key, { mode: 0o600 })
    await writeFile(path, made.cert)
  }
  const authority = { key: await readFile(keyPath, 'utf8'), cert: await readFile(path, 'utf8') }
  return { path, certificate: authority.cert, issue: () => issue(authority) }
}

async function makeAuthority(): Promise<Certificate> {
  const made = await generate([{ name: 'commonName', value: 'Causeway local authority' }], {
    keyType: 'ec',
    algorithm: 'sha256',
    notAfterDate: new Date(Date.now() + tenYears),
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
    ],
  })
  return { key: made.private, cert: made.cert }
}

async function issue(authority: Certificate): Promise<Certificate> {
  const made = await generate([{ name: 'commonName', value: 'localhost' }], {
    keyType: 'ec',
    algorithm: 'sha256',
    ca: authority,
    notAfterDate: new Date(Date.now() + tenYears),
    extensions: [
      { name: 'basicConstraints', cA: false, critical: true },
      { name: 'keyUsage', digitalSignature: true, critical: true },
      { name: 'extKeyUsage', serverAuth: true },
      {
        name: 'subjectAltName',
        altNames: [
          { type: 2, value: 'localhost' },
          { type: 7, ip: '127.0.0.1' },
          { type: 7, ip: '::1' },
        ],
      },
    ],
  })
  return { key: made.private, cert: made.cert }
}
