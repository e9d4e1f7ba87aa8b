import { readdir, readFile, stat } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { parseAllDocuments } from 'yaml'
import { type Content, type Kind, kinds, pathOf } from './kinds.ts'
import { UsageError } from './usage-error.ts'

/** A document in a folder, and the file that it is in. */
export interface FolderDocument {
  readonly kind: Kind
  readonly path: string
  readonly content: Content
  readonly file: string
}

/** What a folder holds. */
export interface Folder {
  readonly documents: readonly FolderDocument[]
  /** The names of folders for a kind in which there is no document. */
  readonly emptyKinds: readonly string[]
}

/** A file beyond this is none of ours. */
const maxBytes = 4 * 1024 * 1024
const extension = /\.(ya?ml|json)$/

/**
 * Reads `issuers/`, `calendars/`, `targets/`, `guardrails/` and `rules/` below a folder: files of YAML or JSON at any
 * depth, each with one document or more (`---`, or a list). Throws {@link UsageError} that names the file, or where there
 * is no document at all.
 */
export async function readFolder(folder: string): Promise<Folder> {
  await refuseStrangers(folder)
  const documents: FolderDocument[] = []
  for (const kind of kinds) {
    for (const file of await filesIn(join(folder, kind.plural))) {
      for (const content of await readDocuments(file, relative(folder, file))) {
        documents.push({ kind, path: pathOf(kind, content), content, file: relative(folder, file) })
      }
    }
  }
  refuseTwice(documents)
  if (documents.length === 0) throw new UsageError(`there is no document in ${folder}`)
  const present = await Promise.all(kinds.map(({ plural }) => isFolder(join(folder, plural))))
  const emptyKinds = kinds.filter((kind, at) => present[at] && !documents.some(document => document.kind === kind))
  return { documents, emptyKinds: emptyKinds.map(({ plural }) => plural) }
}

async function isFolder(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined)
  return found?.isDirectory() ?? false
}

/** A misspelt folder would look like protection, and be none. */
async function refuseStrangers(folder: string): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(cause => {
    throw new UsageError(`cannot read the folder ${folder}`, { cause })
  })
  const known: readonly string[] = kinds.map(({ plural }) => plural)
  const stranger = entries.find(entry => {
    return entry.isDirectory() ? !known.includes(entry.name) && !entry.name.startsWith('.') : extension.test(entry.name)
  })
  if (stranger)
    throw new UsageError(`${stranger.name}: expected documents in ${known.map(name => `${name}/`).join(', ')}`)
}

async function filesIn(folder: string): Promise<readonly string[]> {
  if (!(await isFolder(folder))) return []
  const entries = await readdir(folder, { withFileTypes: true, recursive: true })
  const files = entries.filter(entry => entry.isFile() && extension.test(entry.name))
  return files.map(entry => join(entry.parentPath, entry.name)).toSorted()
}

/** JSON is YAML. Aliases are bounded by the parser, so that a few lines cannot become a gigabyte. */
async function readDocuments(path: string, name: string): Promise<readonly Content[]> {
  if ((await stat(path)).size > maxBytes) throw new UsageError(`${name}: expected ${maxBytes} bytes at most`)
  const parsed = parseAllDocuments(await readFile(path, 'utf8'), { version: '1.2', uniqueKeys: true })
  const all = Array.isArray(parsed) ? parsed : []
  const [error] = all.flatMap(({ errors, warnings }) => [...errors, ...warnings])
  if (error) throw new UsageError(`${name}: ${error.message.split('\n')[0]}`)
  const values: readonly unknown[] = all.map(document => document.toJS({ maxAliasCount: 100 }))
  return values
    .flat()
    .filter(value => value !== null)
    .map(value => asContent(value, name))
}

function asContent(value: unknown, name: string): Content {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new UsageError(`${name}: expected documents, found something else`)
  }
  const content: Content = Object.fromEntries(Object.entries(value))
  if (typeof content['id'] !== 'string') throw new UsageError(`${name}: a document without an id`)
  return content
}

function refuseTwice(documents: readonly FolderDocument[]): void {
  const seen = new Map<string, string>()
  for (const { path, file } of documents) {
    const other = seen.get(path)
    if (other !== undefined) throw new UsageError(`${path} is in ${other} and in ${file}`)
    seen.set(path, file)
  }
}
