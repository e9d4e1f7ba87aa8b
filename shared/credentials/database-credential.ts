import type { Credential } from './credential.ts'
import type { Account } from './credential-provider.ts'
import type { Secret } from './secret.ts'

interface Database {
  readonly host: string
  readonly port: number
  readonly database: string
  readonly tls: { readonly ca?: string | undefined }
}

/** What an application logs in to a database with: every member of it, and the URI of all. */
export function databaseCredential(
  { host, port, database, tls }: Database,
  { name: username, expiresAt }: Account<unknown>,
  { secret, uri }: { readonly secret: Secret; readonly uri: Secret },
): Credential {
  const fields = { username, password: secret, host, port, database, uri }
  return {
    secret,
    fields: tls.ca === undefined ? fields : { ...fields, caCertificate: tls.ca },
    reference: { account: username },
    expiresAt,
  }
}
