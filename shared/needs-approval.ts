import canonicalize from 'canonicalize'
import type { SecretReference } from './credentials/secret-reference.ts'
import type { Stored } from './document.ts'
import type { DocumentEditor, Draft } from './document-editor.ts'
import type { DocumentName, EditedContainer } from './document-kind.ts'
import { type SameSecret, secretsNamed } from './secrets-named.ts'
import type { IssuerEdit } from './workload/issuer-change.ts'

/** What tells whether a change waits for a second person. Everything throws 503 where it cannot be looked up. */
export interface ApprovalSources {
  readonly read: (container: EditedContainer, name: DocumentName) => ReturnType<DocumentEditor['read']>
  /** The secrets of the targets that want a second person; but for one target, where one is named. */
  readonly guardedSecrets: (exceptTarget: string | undefined) => Promise<readonly SecretReference[]>
  readonly isSameSecret: SameSecret
  /** Whether something that wants a second person rests on what becomes of an issuer. */
  readonly restsOnIssuer: (edit: IssuerEdit) => Promise<boolean>
  /** The documents of the issuers whose tokens may need an actor of that one. */
  readonly actedForBy: (issuer: string) => Promise<readonly unknown[]>
  readonly restsOnCalendar: (id: string) => Promise<boolean>
}

/** Tells whether a change waits for a second person: by what is stored, by what is to be stored, and by what rests on it. */
export function approvalNeeded(sources: ApprovalSources) {
  const { read, guardedSecrets, isSameSecret, restsOnIssuer, actedForBy, restsOnCalendar } = sources

  /** A new way to a secret that somebody has put under a second person's eyes. */
  async function namesGuardedSecret(container: 'targets' | 'issuers', draft: Draft): Promise<boolean> {
    const named = draft.action === 'put' ? secretsNamed(draft.document) : []
    if (named.length === 0) return false
    // A target may go on naming its own: an issuer that is called like it has nothing of it.
    const guarded = await guardedSecrets(container === 'targets' ? draft.name.id : undefined)
    return named.some(secret => guarded.some(other => isSameSecret(secret, other)))
  }

  async function ofIssuer(draft: Draft): Promise<boolean> {
    const stored = await read('issuers', draft.name)
    if (draft.action === 'remove') return saysSo(stored) || forgetsActors(draft.name.id, stored)
    // Whoever is on call shuts an issuer alone.
    if (onlyShuts(draft.document, stored)) return false
    // Whoever has an actor's keys is half of every workload that it acts for.
    const actedFor = await actedForBy(draft.name.id)
    const edit = { id: draft.name.id, before: stored?.content, after: draft.document, actedFor }
    if ([edit.before, edit.after, ...actedFor].some(content => saysSo({ content }))) return true
    return (await namesGuardedSecret('issuers', draft)) || restsOnIssuer(edit)
  }

  /**
   * What an issuer says of itself would be forgotten with it, and so would whose keys are guarded for its sake: they could
   * be changed by one person, and the issuer be made again as it was.
   */
  async function forgetsActors(id: string, stored: Stored<unknown> | undefined): Promise<boolean> {
    return hasActors(stored) && restsOnIssuer({ id, before: stored?.content, after: undefined, actedFor: [] })
  }

  async function ofRule(draft: Draft): Promise<boolean> {
    const { partition } = draft.name
    return partition === '*' ? ofItself('rules', draft) : saysSo(await read('targets', ownNameOf(partition)))
  }

  async function ofItself(container: 'rules' | 'targets', draft: Draft): Promise<boolean> {
    const isNew = draft.action === 'put' && saysSo({ content: draft.document })
    return isNew || saysSo(await read(container, draft.name))
  }

  return async (container: EditedContainer, draft: Draft): Promise<boolean> => {
    switch (container) {
      case 'rules':
        return ofRule(draft)
      case 'targets':
        return (await ofItself('targets', draft)) || namesGuardedSecret('targets', draft)
      case 'issuers':
        return ofIssuer(draft)
      case 'calendars':
        return restsOnCalendar(draft.name.id)
      case 'lockdowns':
      case 'posture':
        return false
    }
  }
}

/** Whether nothing else becomes of it than that it is not enabled. */
function onlyShuts(document: unknown, stored: Stored<unknown> | undefined): boolean {
  const content = stored?.content
  if (typeof content !== 'object' || content === null) return false
  return canonicalize({ ...content, enabled: false }) === canonicalize(document)
}

/** Whether it names any, readable or not. */
function hasActors(stored: Stored<unknown> | undefined): boolean {
  const { actors }: Readonly<Record<string, unknown>> = Object(stored?.content)
  return actors !== undefined && !(Array.isArray(actors) && actors.length === 0)
}

/** By what is written, readable or not. */
function saysSo(found: { readonly content: unknown } | undefined): boolean {
  const content = found?.content
  return (
    typeof content === 'object' && content !== null && 'requireApproval' in content && content.requireApproval === true
  )
}

function ownNameOf(id: string): DocumentName {
  return { id, partition: id }
}
