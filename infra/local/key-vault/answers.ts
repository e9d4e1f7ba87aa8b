import type { JsonAnswer } from '../json-listener.ts'
import type { StoredSecret } from './secrets.ts'

/**
 * A secret with its value: https://learn.microsoft.com/rest/api/keyvault/secrets/get-secret/get-secret#secretbundle.
 * Ids are made from where the vault listens now, so they stay right when its port changes.
 */
export function secretBundle(vaultUrl: string, name: string, stored: StoredSecret): JsonAnswer {
  return { status: 200, body: { value: stored.value, ...secretItem(vaultUrl, name, stored) } }
}

/** The versions of a secret, without their values, all on one page. */
export function versionList(vaultUrl: string, name: string, versions: readonly StoredSecret[]): JsonAnswer {
  return { status: 200, body: { value: versions.map(stored => secretItem(vaultUrl, name, stored)), nextLink: null } }
}

function secretItem(vaultUrl: string, name: string, { version, contentType, tags, attributes }: StoredSecret) {
  return {
    id: `${vaultUrl}/secrets/${name}/${version}`,
    contentType,
    tags,
    attributes: { ...attributes, recoveryLevel: 'Recoverable+Purgeable', recoverableDays: 90 },
  }
}

/** The challenge that tells a client where to get a token, and for what. */
export function unauthorized(authority: string, resource: string, message: string): JsonAnswer {
  const headers = { 'www-authenticate': `Bearer authorization="${authority}", resource="${resource}"` }
  return failure(401, 'Unauthorized', message, { headers })
}

/** No role assignment allows it. `right` is what Azure calls the action, below `Microsoft.KeyVault/vaults/`. */
export function forbiddenByRbac(identity: string, right: string, resource: string): JsonAnswer {
  const message = [
    'Caller is not authorized to perform action on resource.',
    'If role assignments, deny assignments or role definitions were changed recently, please observe propagation time.',
    `Caller: appid=${identity}`,
    `Action: 'Microsoft.KeyVault/vaults/${right}'`,
    `Resource: '${resource}'`,
    'Assignment: (not found)',
    'DenyAssignmentId: null',
    "DecisionReason: 'DeniedWithNoValidRBAC' ",
  ].join('\r\n')
  return failure(403, 'Forbidden', message, { innererror: { code: 'ForbiddenByRbac' } })
}

export function notOffered(method: string): JsonAnswer {
  return failure(405, 'MethodNotAllowed', `The stand-in does not support ${method} here.`)
}

export function secretDisabled(): JsonAnswer {
  const message = 'Operation get is not allowed on a disabled secret.'
  return failure(403, 'Forbidden', message, { innererror: { code: 'SecretDisabled' } })
}

export function secretNotFound(name: string): JsonAnswer {
  const message = `A secret with (name/id) ${name} was not found in this key vault. If you recently deleted this secret you may be able to recover it using the correct recovery command. For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125182`
  return failure(404, 'SecretNotFound', message)
}

export function badParameter(message: string): JsonAnswer {
  return failure(400, 'BadParameter', message)
}

/** Key Vault's error body: https://learn.microsoft.com/azure/key-vault/general/rest-error-codes */
export function failure(
  status: number,
  code: string,
  message: string,
  { innererror, headers }: { innererror?: { code: string }; headers?: Readonly<Record<string, string>> } = {},
): JsonAnswer {
  return { status, ...(headers && { headers }), body: { error: { code, message, innererror } } }
}
