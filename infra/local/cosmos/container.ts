import { ChangeLog } from './change-log.ts'
import { type Commit, parseCommit, renderCommit } from './commit.ts'
import type { ContainerDefinition } from './container-definition.ts'
import { type Document, expiryOf } from './document.ts'
import { type Journal, openJournal } from './journal.ts'
import { isObject, type JsonObject } from './json-object.ts'
import type { PartitionKey } from './partition-key.ts'
import { containerRid, databaseRid } from './resource-id.ts'
import { Transaction } from './transaction.ts'

/** Where a container keeps its documents, and what time it is there. */
export interface ContainerPlace {
  readonly database: string
  /** The journal's file; absent: memory only. */
  readonly journal?: string
  /** Epoch milliseconds. */
  readonly now: () => number
}

/** Opens a container, replaying its journal. */
export async function openContainer(definition: ContainerDefinition, place: ContainerPlace): Promise<Container> {
  const container = new Container(definition, place)
  if (place.journal) await container.replay(place.journal)
  return container
}

/** The documents of one container by logical partition, and the order in which they changed. */
export class Container {
  readonly definition: ContainerDefinition
  readonly rid: string
  readonly databaseRid: string
  /** `dbs/<database>/colls/<container>` */
  readonly path: string
  readonly now: () => number
  readonly #partitions = new Map<PartitionKey, Map<string, Document>>()
  readonly #log = new ChangeLog()
  readonly #bodies = new WeakMap<Document, JsonObject>()
  #journal: Journal | undefined
  #lsn = 0
  #serial = 0
  #size = 0

  constructor(definition: ContainerDefinition, { database, now }: ContainerPlace) {
    this.definition = definition
    this.rid = containerRid(database, definition.id)
    this.databaseRid = databaseRid(database)
    this.path = `dbs/${database}/colls/${definition.id}`
    this.now = now
  }

  /** The last commit's number. */
  get lsn(): number {
    return this.#lsn
  }

  /** A number never given before in this container. */
  nextSerial(): number {
    return ++this.#serial
  }

  /** What happens in it is invisible until it commits. It must not outlive the turn of the event loop that began it. */
  begin(partition: PartitionKey): Transaction {
    return new Transaction(this, partition)
  }

  /** The current version, unless it has expired. */
  find(partition: PartitionKey, id: string): Document | undefined {
    const document = this.#partitions.get(partition)?.get(id)
    return document && this.#isAlive(document) ? document : undefined
  }

  /** The documents of one partition, or of all, in the order of their resource ids. */
  documents(partition?: PartitionKey): Document[] {
    const partitions = partition === undefined ? [...this.#partitions.values()] : [this.#partitions.get(partition)]
    const alive = partitions.flatMap(documents => this.#alive(documents))
    return alive.sort((one, other) => (one.rid < other.rid ? -1 : 1))
  }

  /** The latest version of each document that changed after the commit `lsn`. With none, it costs the same at any size. */
  *changesAfter(lsn: number): Generator<Document> {
    for (const document of this.#log.after(lsn)) {
      if (this.#isCurrent(document)) yield document
    }
  }

  /** A document's body, parsed once. */
  body(document: Document): JsonObject {
    const known = this.#bodies.get(document)
    if (known) return known
    const body: unknown = JSON.parse(document.text)
    if (!isObject(body)) throw new Error('a stored document is not an object')
    this.#bodies.set(document, body)
    return body
  }

  /** In the journal first, then visible: what could not be kept is never seen. */
  commit(partition: PartitionKey, changes: Commit['changes']): void {
    const commit = { lsn: this.#lsn + 1, serial: this.#serial, partition, changes }
    this.#journal?.append(renderCommit(commit))
    this.#apply(commit)
  }

  async replay(path: string): Promise<void> {
    this.#journal = await openJournal(path, line => this.#apply(parseCommit(line)))
  }

  close(): void {
    this.#journal?.close()
    this.#journal = undefined
  }

  #apply({ lsn, serial, partition, changes }: Commit): void {
    const documents = this.#partitions.get(partition) ?? new Map<string, Document>()
    this.#partitions.set(partition, documents)
    for (const [id, document] of changes) this.#set(documents, id, document)
    if (documents.size === 0) this.#partitions.delete(partition)
    this.#lsn = lsn
    this.#serial = Math.max(this.#serial, serial)
    if (this.#log.length > 2 * this.#size + 1024) this.#sweep()
  }

  #set(documents: Map<string, Document>, id: string, document: Document | undefined): void {
    const before = documents.size
    documents.delete(id)
    if (document) {
      documents.set(id, document)
      this.#log.append(document)
    }
    this.#size += documents.size - before
  }

  /** Forgets what is expired or replaced. */
  #sweep(): void {
    for (const [partition, documents] of this.#partitions) {
      for (const document of documents.values())
        if (!this.#isAlive(document)) this.#set(documents, document.id, undefined)
      if (documents.size === 0) this.#partitions.delete(partition)
    }
    this.#log.compact(document => this.#isCurrent(document))
  }

  #isAlive(document: Document): boolean {
    return this.now() < expiryOf(document, this.definition.defaultTtl)
  }

  #isCurrent(document: Document): boolean {
    return this.find(document.partition, document.id) === document
  }

  #alive(documents: ReadonlyMap<string, Document> = new Map()): Document[] {
    return Array.from(documents.values()).filter(document => this.#isAlive(document))
  }
}
