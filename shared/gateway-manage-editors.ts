import { cosmosDocuments } from './cosmos-documents.ts'
import { cosmosVersions } from './cosmos-versions.ts'
import { credentialProviders } from './credentials/registry.ts'
import type { SecretReference } from './credentials/secret-reference.ts'
import { type DocumentEditor, documentEditor } from './document-editor.ts'
import type { DocumentKind, EditedContainer } from './document-kind.ts'
import type { RoleParts, Surroundings } from './gateway-role.ts'
import { calendarKind } from './rules/calendar-kind.ts'
import { ruleKind } from './rules/cosmos-rule-kind.ts'
import { postureKind } from './rules/posture-kind.ts'
import { secretComparison } from './secrets-named.ts'
import type { Settings } from './settings.ts'
import { targetKind } from './targets/cosmos-target-kind.ts'
import type { FindProvider } from './targets/target.ts'
import { issuerKind } from './workload/cosmos-issuer-kind.ts'
import { lockdownKind } from './workload/cosmos-lockdown-kind.ts'

/** The manage role may read no secret: a provider only says what its settings are. */
export function withoutSecrets(now: () => number): FindProvider {
  return credentialProviders({ readSecret: () => Promise.reject(new Error('no secrets here')), now })
}

/** The editors of every kind of document, each with its own checks. */
export function openEditors(
  { container, decisions }: RoleParts,
  { settings, now }: Surroundings,
): Readonly<Record<EditedContainer, DocumentEditor>> {
  const problemOfSecret = (secret: SecretReference) => secretProblem(secret, settings)
  const findProvider = withoutSecrets(now)
  const editor = (kind: DocumentKind) => {
    const { container: id } = kind
    const versions = cosmosVersions(container('versions'), id)
    const documents = cosmosDocuments(container(id), now)
    return documentEditor({ kind, documents, versions, decisions, now })
  }
  return {
    rules: editor(
      ruleKind({
        targets: container('targets'),
        calendars: container('calendars'),
        issuers: container('issuers'),
      }),
    ),
    targets: editor(targetKind({ findProvider, problemOfSecret, targets: container('targets') })),
    issuers: editor(issuerKind({ problemOfSecret, issuers: container('issuers') })),
    calendars: editor(calendarKind),
    lockdowns: editor(
      lockdownKind({ issuers: container('issuers'), targets: container('targets'), rules: container('rules'), now }),
    ),
    posture: editor(postureKind),
  }
}

/** No document names the key from which every password is derived, by whichever alias of its vault. */
function secretProblem(secret: SecretReference, { vaults, derivationKey }: Settings): string | undefined {
  if (!vaults.has(secret.vault)) return `no vault is called "${secret.vault}"`
  return secretComparison(vaults)(secret, derivationKey) ? "that secret is the gateway's own" : undefined
}
