import type { Container, ItemResponse } from '@azure/cosmos'
import { v7 as uuid } from 'uuid'
import { askCosmos, cosmosStatus } from '../cosmos-error.ts'
import type { AdminEntry, DecisionLog } from '../decisions/record.ts'
import { type Stored, tombstone, withoutSystemProperties } from '../document.ts'
import type { Workload } from '../workload/workload.ts'
import { type NamedDocuments, referenceProblems } from './cosmos-rule-references.ts'
import { parseRule } from './ruleset.ts'

type Document = Readonly<Record<string, unknown>>

/** Which rule. */
export interface RuleName {
  readonly target: string
  readonly id: string
}

/** The version that a change is made to: an ETag, or none, for a rule that is not there yet. */
export type Expected = { readonly etag: string } | 'absent'

/** What became of a change. `conflict`: the rule is not at the expected version. */
export type Changed =
  | { readonly kind: 'changed'; readonly rule: Stored<unknown> }
  | { readonly kind: 'conflict' }
  | { readonly kind: 'invalid'; readonly problems: readonly string[] }

/** Rules as operators change them. Everything throws 503 where Cosmos DB cannot be asked. */
export interface RuleEditor {
  /** A page of the rules of a target, or of all. Undefined where the continuation is none. */
  list(target: string | undefined, continuation: string | undefined): Promise<RulePage | undefined>
  read(name: RuleName): Promise<Stored<unknown> | undefined>
  /** Checked by the code that reads it; the intent is on the record before, the outcome after. */
  put(name: RuleName, document: unknown, expected: Expected, operator: Workload): Promise<Changed>
  /** Puts a tombstone in its place: the change feed shows no deletes. */
  remove(name: RuleName, etag: string, operator: Workload): Promise<Changed>
}

export interface RulePage {
  readonly rules: readonly Stored<unknown>[]
  readonly continuation?: string
}

export interface RuleEditorOptions extends NamedDocuments {
  readonly rules: Container
  readonly decisions: DecisionLog
}

const pageSize = 100
/** A rule goes into the record whole, and must fit. */
const maxRuleBytes = 16_000
/** Tombstones outlast every instance that could have missed them: 30 days, in seconds. */
const tombstoneLife = 30 * 86_400

/** Edits rules in Cosmos DB. Only conditional writes decide which of two operators was first. */
export function cosmosRuleEditor({ rules, decisions, ...named }: RuleEditorOptions): RuleEditor {
  const itemOf = ({ id, target }: RuleName) => rules.item(id, target)

  async function readRaw(name: RuleName): Promise<Document | undefined> {
    return (await askCosmos('documents_unavailable', () => itemOf(name).read<Document>())).resource
  }

  /** A tombstone counts as absent, so a rule that was removed can be made again in its place. */
  async function conditionFor(name: RuleName, expected: Expected): Promise<string | undefined> {
    if (expected !== 'absent') return expected.etag
    const found = await readRaw(name)
    return found && tombstone.safeParse(found).success ? String(found['_etag']) : undefined
  }

  async function write(name: RuleName, document: Document, etag: string | undefined): Promise<Changed> {
    const writing =
      etag === undefined
        ? rules.items.create<Document>(document)
        : itemOf(name).replace<Document>(document, { accessCondition: { type: 'IfMatch', condition: etag } })
    const written = await askCosmos('documents_unavailable', () => writing.catch(unlessConflict))
    return written?.resource ? { kind: 'changed', rule: stored(written.resource) } : { kind: 'conflict' }
  }

  async function change(intent: Intent, document: Document, expected: Expected): Promise<Changed> {
    const { id, target } = intent.document
    const etag = await conditionFor({ id, target }, expected)
    const entry = { kind: 'admin' as const, decision: uuid(), ...intent, ...(etag !== undefined && { before: etag }) }
    const follows = await decisions.write({ ...entry, outcome: 'intended', content: document })
    const changed = await write({ id, target }, document, etag).catch(async error => {
      await decisions.write({ ...entry, outcome: 'failed', follows }).catch(() => undefined)
      throw error
    })
    const outcome = changed.kind === 'changed' ? { outcome: 'done' as const, after: changed.rule.version } : failed
    // The change is made: if its outcome cannot be recorded now, the intent and the document tell it.
    await decisions.write({ ...entry, ...outcome, follows }).catch(() => undefined)
    return changed
  }

  return {
    async list(target, continuation) {
      const options = {
        maxItemCount: pageSize,
        ...(target !== undefined && { partitionKey: target }),
        ...(continuation !== undefined && { continuationToken: continuation }),
      }
      const query = 'SELECT * FROM c WHERE NOT IS_DEFINED(c.deleted)'
      const page = await askCosmos('documents_unavailable', () =>
        rules.items.query<Document>(query, options).fetchNext().catch(unlessMalformed),
      )
      if (!page) return undefined
      const next = page.continuationToken
      return { rules: (page.resources ?? []).map(stored), ...(next && { continuation: next }) }
    },

    async read(name) {
      const found = await readRaw(name)
      return found && !tombstone.safeParse(found).success ? stored(found) : undefined
    },

    async put(name, document, expected, operator) {
      const problems = await problemsOf(document, name, named)
      if (problems.length > 0) return { kind: 'invalid', problems }
      const { id, target } = name
      return change(
        { action: 'put-rule', operator, document: { container: 'rules', id, target } },
        document as Document,
        expected,
      )
    },

    async remove({ id, target }, etag, operator) {
      const grave = { id, target, deleted: true, ttl: tombstoneLife }
      return change({ action: 'remove-rule', operator, document: { container: 'rules', id, target } }, grave, { etag })
    },
  }
}

type Intent = Pick<AdminEntry, 'action' | 'operator' | 'document'>

const failed = { outcome: 'failed' as const }

/** Everything that keeps a document from being saved as the rule of that name. */
async function problemsOf(document: unknown, name: RuleName, named: NamedDocuments): Promise<readonly string[]> {
  const parsed = parseRule(document)
  if ('problems' in parsed) return parsed.problems
  const { rule } = parsed
  if (rule.id !== name.id) return ['id: expected what the URL says']
  if (rule.target !== name.target) return ['target: expected what the URL says']
  if (Buffer.byteLength(JSON.stringify(document)) > maxRuleBytes)
    return [`document: expected ${maxRuleBytes} bytes of JSON at most`]
  return referenceProblems(rule, named)
}

function stored(document: Document): Stored<unknown> {
  return { content: withoutSystemProperties(document), version: String(document['_etag']) }
}

function unlessMalformed(error: unknown): undefined {
  if (cosmosStatus(error) !== 400) throw error
}

function unlessConflict(error: unknown): ItemResponse<Document> | undefined {
  const status = cosmosStatus(error)
  // 404: replaced at a version of a rule that is gone altogether.
  if (status === 409 || status === 412 || status === 404) return undefined
  throw error
}
