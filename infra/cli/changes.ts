import { z } from 'zod'
import { type Difference, diffOf } from '../../shared/document-diff.ts'
import { type FolderDocument, readFolder } from './folder.ts'
import { bodyOf, type Operating } from './gateway.ts'
import { type Content, type Kind, kinds, pathOf } from './kinds.ts'
import { refusal } from './refusal.ts'
import { UsageError } from './usage-error.ts'

/** What has to happen to one document, so that the gateway has what the folder says. */
export type Change = { readonly kind: Kind; readonly path: string } & (
  | { readonly action: 'create'; readonly content: Content }
  | {
      readonly action: 'replace'
      readonly content: Content
      readonly etag: string
      readonly diff: readonly Difference[]
    }
  | { readonly action: 'remove'; readonly etag: string; readonly content: Content }
)

export interface Changes {
  /** In an order that references allow: what is named before what names it, and removed after it. */
  readonly changes: readonly Change[]
  /** Documents that the gateway has and the folder has not, and that stay. */
  readonly elsewhere: readonly string[]
}

interface Stored {
  readonly kind: Kind
  readonly content: Content
  readonly etag: string
}

/** Compares a folder with a gateway. With `prune`, what is not in the folder is removed, of the kinds that are in it. */
export async function findChanges(folder: string, operating: Operating, prune: boolean): Promise<Changes> {
  const { documents: wanted, emptyKinds } = await readFolder(folder)
  // Nobody wants all of a kind removed who has an empty folder: a checkout or a mount went wrong.
  if (prune && emptyKinds.length > 0)
    throw new UsageError(`${emptyKinds.join('/, ')}/ holds no document: --prune would remove all that there are`)
  const stored = new Map<string, Stored>()
  for (const kind of kinds)
    for (const each of await listAll(kind, operating)) stored.set(pathOf(kind, each.content), each)
  const known = new Set(wanted.map(({ path }) => path))
  const gone = [...stored].filter(([path]) => !known.has(path))
  const pruned = new Set(prune ? wanted.map(({ kind }) => kind) : [])
  const removals = gone
    .filter(([, { kind }]) => pruned.has(kind))
    .map(([path, each]) => ({ ...each, path, action: 'remove' as const }))
  const elsewhere = gone.filter(([, { kind }]) => !pruned.has(kind)).map(([path]) => path)
  const changes = inOrder(wanted).flatMap(document => changeOf(document, stored.get(document.path)))
  return { changes: [...changes, ...removals.toReversed()], elsewhere }
}

function changeOf({ kind, path, content }: FolderDocument, found: Stored | undefined): readonly Change[] {
  if (!found) return [{ kind, path, content, action: 'create' }]
  const diff = diffOf(found.content, content)
  return diff.length === 0 ? [] : [{ kind, path, content, action: 'replace', etag: found.etag, diff }]
}

/** The kinds are in order. Of issuers, those whose tokens act for others come before those that name them. */
function inOrder(documents: readonly FolderDocument[]): readonly FolderDocument[] {
  const byId = new Map(documents.filter(isIssuer).map(document => [document.content['id'], document]))
  const done = new Set<FolderDocument>()
  const put = (document: FolderDocument, trail: readonly FolderDocument[]) => {
    if (done.has(document) || trail.includes(document)) return
    for (const id of actorsOf(document)) {
      const actor = byId.get(id)
      if (actor) put(actor, [...trail, document])
    }
    done.add(document)
  }
  for (const document of documents) put(document, [])
  return [...done]
}

function isIssuer({ kind }: FolderDocument): boolean {
  return kind.plural === 'issuers'
}

const acting = z.object({ actors: z.array(z.object({ issuer: z.string() })) })

function actorsOf(document: FolderDocument): readonly string[] {
  const parsed = isIssuer(document) ? acting.safeParse(document.content) : undefined
  return parsed?.data?.actors.map(({ issuer }) => issuer) ?? []
}

const content = z.record(z.string(), z.unknown())

/** All documents of one kind, page by page. Guardrails are among the rules of `*`, and listed by themselves. */
async function listAll(kind: Kind, { ask }: Operating): Promise<readonly Stored[]> {
  const page = z.object({
    [kind.plural]: z.array(z.object({ etag: z.string(), [kind.singular]: content })),
    continuation: z.string().optional(),
  })
  const found: Stored[] = []
  let continuation: string | undefined = ''
  while (continuation !== undefined) {
    const answer = await ask(
      `/manage/${kind.plural}${continuation && `?continuation=${encodeURIComponent(continuation)}`}`,
    )
    if (answer.status !== 200) throw refusal(`cannot list ${kind.plural}`, answer)
    const parsed = bodyOf(answer, page)
    for (const each of z.array(z.record(z.string(), z.unknown())).parse(parsed[kind.plural])) {
      found.push({ kind, etag: String(each['etag']), content: content.parse(each[kind.singular]) })
    }
    const next: unknown = parsed['continuation']
    continuation = typeof next === 'string' ? next : undefined
  }
  return found.filter(each => kind.plural !== 'rules' || each.content['target'] !== '*')
}
