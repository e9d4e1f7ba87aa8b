import type { JsonAnswer } from '../json-listener.ts'
import { failure } from './answers.ts'
import type { StoredKey } from './keys.ts'

/** The public part of a key: https://learn.microsoft.com/rest/api/keyvault/keys/get-key/get-key#keybundle */
export function keyBundle(vaultUrl: string, name: string, stored: StoredKey): JsonAnswer {
  const { kty, crv, x, y, n, e } = stored.jwk
  const { kid, ...about } = keyItem(vaultUrl, name, stored)
  return { status: 200, body: { key: { kid, kty, key_ops: stored.operations, crv, x, y, n, e }, ...about } }
}

/** The versions of a key, all on one page. */
export function keyVersionList(vaultUrl: string, name: string, versions: readonly StoredKey[]): JsonAnswer {
  return { status: 200, body: { value: versions.map(stored => keyItem(vaultUrl, name, stored)), nextLink: null } }
}

function keyItem(vaultUrl: string, name: string, { version, tags, attributes }: StoredKey) {
  return {
    kid: `${vaultUrl}/keys/${name}/${version}`,
    tags,
    attributes: { ...attributes, recoveryLevel: 'Recoverable+Purgeable', recoverableDays: 90, exportable: false },
  }
}

export function keyNotFound(name: string): JsonAnswer {
  const message = `A key with (name/id) ${name} was not found in this key vault. If you recently deleted this key you may be able to recover it using the correct recovery command. For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125182`
  return failure(404, 'KeyNotFound', message)
}

/** The identity may, but not with this key, or not now. */
export function keyForbidden(code: string, message: string): JsonAnswer {
  return failure(403, 'Forbidden', message, { innererror: { code } })
}
