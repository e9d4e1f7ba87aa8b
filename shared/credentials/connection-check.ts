import { type PeerCertificate, TLSSocket } from 'node:tls'
import type { ExchangeError, Reason } from '../errors.ts'
import type { CheckStep } from './credential-provider.ts'
import type { SecretReference } from './secret-reference.ts'

/** Where a check connects to, and as whom. */
export interface CheckedPlace {
  readonly host: string
  readonly port: number
  readonly login: { readonly user: string; readonly password: SecretReference }
  /** The document names the authority itself. */
  readonly ownAuthority: boolean
}

/** A certificate that ends sooner is not well: nobody renews one within the hour. Milliseconds. */
const soon = 7 * 86_400_000

const stages = ['password', 'connect', 'tls', 'login'] as const
type Stage = (typeof stages)[number]

/** The stages of a connection that was made. */
export function connectedSteps(place: CheckedPlace): readonly CheckStep[] {
  return stages.map(step => ({ step, ok: true, expected: expectedOf(step, place), found: 'so' }))
}

/** The stages of a connection up to the one that failed. */
export function failedSteps(place: CheckedPlace, error: ExchangeError): readonly CheckStep[] {
  const code = String(error.detail['answer'] ?? error.detail['code'] ?? error.detail['problem'] ?? '')
  const stage = stageOf(error.reason, code)
  const before = connectedSteps(place).slice(0, stages.indexOf(stage))
  const found = foundOf(stage, error.reason, code)
  return [...before, { step: stage, ok: false, expected: expectedOf(stage, place), found, reason: error.reason }]
}

/** How long the certificate of the server counts yet. */
export function certificateStep({ valid_to: validTo }: PeerCertificate, now: number): CheckStep {
  const ends = Date.parse(validTo)
  const found = Number.isNaN(ends) ? 'no date' : `it ends at ${new Date(ends).toISOString()}`
  return { step: 'certificate', ok: ends - now > soon, expected: 'a certificate that counts for another week', found }
}

/** What a driver's connection knows of its server; undefined where its socket is not where it used to be. */
export function certificateOf(socket: unknown): PeerCertificate | undefined {
  const certificate = socket instanceof TLSSocket ? socket.getPeerCertificate() : undefined
  // Of a session that was taken up again there may be none.
  return certificate?.valid_to ? certificate : undefined
}

function expectedOf(stage: Stage, { host, port, login, ownAuthority }: CheckedPlace): string {
  const { vault, secret } = login.password
  switch (stage) {
    case 'password':
      return `the secret "${secret}" of the vault "${vault}" can be read`
    case 'connect':
      return `${host} answers at port ${port}`
    case 'tls':
      return `a certificate for ${host}, signed by ${ownAuthority ? 'the authority in tls.ca' : 'a public authority'}`
    case 'login':
      return `"${login.user}" may log in with that password`
  }
}

const words: Readonly<Record<string, string>> = {
  ENOTFOUND: 'the name cannot be resolved',
  EAI_AGAIN: 'the name cannot be resolved now',
  ECONNREFUSED: 'nothing listens there',
  ECONNRESET: 'the connection was reset',
  ETIMEDOUT: 'no answer in time',
  EHOSTUNREACH: 'there is no way to it',
  ENETUNREACH: 'there is no way to it',
  CERT_HAS_EXPIRED: 'the certificate has expired',
  CERT_NOT_YET_VALID: 'the certificate does not count yet',
  ERR_TLS_CERT_ALTNAME_INVALID: 'the certificate is for other names',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'the certificate is signed by itself',
  SELF_SIGNED_CERT_IN_CHAIN: 'an unknown authority signed the certificate',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'an unknown authority signed the certificate',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'an unknown authority signed the certificate',
  CERT_SIGNATURE_FAILURE: 'an unknown authority signed the certificate',
  HANDSHAKE_NO_SSL_SUPPORT: 'the server speaks no TLS',
}

const ofTls = /CERT|TLS|SSL|LEAF_SIGNATURE/

function stageOf(reason: Reason, code: string): Stage {
  if (/^(secret|vault)_/.test(reason)) return 'password'
  if (ofTls.test(code)) return 'tls'
  // Five characters are a SQLSTATE, digits MySQL's numbers: it is the server that says no.
  return /^(?=.*\d)[0-9A-Z]{4,5}$/.test(code) ? 'login' : 'connect'
}

function foundOf(stage: Stage, reason: Reason, code: string): string {
  if (stage === 'password') return `it cannot: ${reason}`
  const word = words[code] ?? (stage === 'login' ? 'the server refused' : 'no connection')
  return code === '' ? word : `${word} (${code.slice(0, 64)})`
}
