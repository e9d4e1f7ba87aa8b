import type { Container } from './container.ts'
import { type Document, render } from './document.ts'
import type { Item } from './item.ts'
import type { PartitionKey } from './partition-key.ts'
import { documentRid, etagOf } from './resource-id.ts'

/** Reads and writes in one logical partition that become visible together, or not at all. */
export class Transaction {
  readonly partition: PartitionKey
  readonly #container: Container
  readonly #changes = new Map<string, Document | undefined>()

  constructor(container: Container, partition: PartitionKey) {
    this.#container = container
    this.partition = partition
  }

  /** Sees what this transaction has done so far. */
  find(id: string): Document | undefined {
    return this.#changes.has(id) ? this.#changes.get(id) : this.#container.find(this.partition, id)
  }

  /** Stores an item as a new document, or as the next version of `before`, whose resource id it keeps. */
  put(item: Item, before?: Document): Document {
    const container = this.#container
    const rid = before?.rid ?? documentRid(container.rid, container.nextSerial())
    const self = `dbs/${container.databaseRid}/colls/${container.rid}/docs/${rid}/`
    const etag = etagOf(container.nextSerial())
    const ts = Math.floor(container.now() / 1000)
    const text = render(item.body, { rid, self, etag, ts })
    const { id, ttl } = item
    const document = { id, partition: this.partition, rid, etag, ts, ttl, lsn: container.lsn + 1, text }
    this.#changes.set(id, document)
    return document
  }

  remove(id: string): void {
    this.#changes.set(id, undefined)
  }

  /** Journal and memory, in that order. Nothing to do for one that only read. */
  commit(): void {
    if (this.#changes.size > 0) this.#container.commit(this.partition, this.#changes)
  }
}
