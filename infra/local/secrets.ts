import { join } from 'node:path'
import { z } from 'zod'
import { keepJson, readKeptJson } from './kept-json.ts'
import type { LocalKeyVault } from './key-vault/key-vault.ts'
import { newSecrets } from './world.ts'

const keptSecrets = z.object({
  vault: z.record(z.string(), z.string()),
  applications: z.object({ operator: z.string(), approver: z.string(), stranger: z.string() }),
})
export type Secrets = z.infer<typeof keptSecrets> & { readonly isNew: boolean }

/** The secrets of the world in `dir`, made on first use. */
export function openSecrets(dir: string): Secrets {
  const path = join(dir, 'secrets.json')
  const kept = readKeptJson(path)
  const secrets = keptSecrets.parse(kept ?? newSecrets())
  if (kept === undefined) keepJson(path, secrets)
  return { ...secrets, isNew: kept === undefined }
}

/** Fills a new vault; an old one keeps what it has, rotated or not. Returns the passwords of the database's logins. */
export function putSecrets(vault: LocalKeyVault, { vault: secrets, isNew }: Secrets) {
  if (isNew) for (const [name, value] of Object.entries(secrets)) vault.set(name, value)
  const { 'orders-db-minter': minter = '', 'orders-db-revoker': revoker = '' } = secrets
  return { minter, revoker }
}
