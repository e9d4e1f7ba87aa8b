import { readdir, readFile, realpath, stat } from 'node:fs/promises'
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
    const kindFolder = join(folder, kind.plural)
    for (const path of (await isFolder(kindFolder)) ? await filesIn(kindFolder) : []) {
      const file = relative(folder, path)
      for (const content of await readDocuments(path, file)) {
        refuseNameless(kind, content, file)
        documents.push({ kind, path: pathOf(kind, content), content, file })
      }
    }
  }
  refuseTwice(documents)
  if (documents.length === 0) throw new UsageError(`there is no document in ${folder}`)
  const present = await Promise.all(kinds.map(({ plural }) => isFolder(join(folder, plural))))
  const emptyKinds = kinds.filter((kind, at) => present[at] && !documents.some(document => document.kind === kind))
  return { documents, emptyKinds: emptyKinds.map(({ plural }) => plural) }
}

/** A misspelt folder would look like protection, and be none. */
async function refuseStrangers(folder: string): Promise<void> {
  const known: readonly string[] = kinds.map(({ plural }) => plural)
  for (const name of await namesIn(folder)) {
    const isStranger = (await isFolder(join(folder, name))) ? !known.includes(name) : extension.test(name)
    if (isStranger) throw new UsageError(`${name}: expected documents in ${known.map(each => `${each}/`).join(', ')}`)
  }
}

/** What is hidden is nobody's document: `.git`, and the folders behind the links by which Kubernetes mounts files. */
async function namesIn(folder: string): Promise<readonly string[]> {
  const names = await readdir(folder).catch(cause => {
    throw new UsageError(`cannot read the folder ${folder}`, { cause })
  })
  return names.filter(name => !name.startsWith('.')).toSorted()
}

async function isFolder(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined)
  return found?.isDirectory() ?? false
}

/** Links are followed, since Kubernetes mounts a ConfigMap as links; what is passed over would look as if it were gone. */
async function filesIn(folder: string, within: readonly string[] = []): Promise<readonly string[]> {
  const itself = await realpath(folder)
  if (within.includes(itself)) throw new UsageError(`${folder}: a link that leads back to where it is`)
  const files: string[] = []
  for (const name of await namesIn(folder)) {
    const path = join(folder, name)
    if (await isFolder(path)) files.push(...(await filesIn(path, [...within, itself])))
    else if (extension.test(name)) files.push(path)
    else throw new UsageError(`${path}: expected a file of .yaml, .yml or .json`)
  }
  return files
}

/** JSON is YAML. Aliases are bounded by the parser, so that a few lines cannot become a gigabyte. */
async function readDocuments(path: string, name: string): Promise<readonly Content[]> {
  const found = await stat(path).catch(cause => {
    throw new UsageError(`${name}: cannot be read`, { cause })
  })
  if (found.size > maxBytes) throw new UsageError(`${name}: expected ${maxBytes} bytes at most`)
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
  return Object.fromEntries(Object.entries(value))
}

/** By these members a document is found in the API. */
function refuseNameless({ plural }: Kind, content: Content, name: string): void {
  const missing = (plural === 'rules' ? ['id', 'target'] : ['id']).find(member => !isName(content[member]))
  if (missing === undefined) return
  const of = isName(content['id']) ? ` of "${content['id']}"` : ''
  throw new UsageError(`${name}: /${missing}${of}: expected text`)
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}

function refuseTwice(documents: readonly FolderDocument[]): void {
  const seen = new Map<string, string>()
  for (const { path, file } of documents) {
    const other = seen.get(path)
    if (other !== undefined) throw new UsageError(`${path} is in ${other} and in ${file}`)
    seen.set(path, file)
  }
}
