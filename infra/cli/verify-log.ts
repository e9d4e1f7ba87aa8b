import { parseArgs } from 'node:util'
import type { FindKey } from '../../shared/decisions/verify-checkpoints.ts'
import { type LogToVerify, verifyLog } from '../../shared/decisions/verify-log.ts'
import type { LogVerdict } from '../../shared/decisions/verify-verdict.ts'
import { jsonText } from './json-text.ts'
import { openExport, readCopies } from './log-export.ts'
import { showVerdict } from './show-verdict.ts'
import { UsageError } from './usage-error.ts'
import { readKey } from './verification-key.ts'

export const verifyLogUsage = `causeway verify-log --key K --from T [--to T] --endpoint URL --database NAME [--checkpoints F] [--deployment D] [--json]
causeway verify-log --key K [--from T] [--to T] --file export.jsonl [--checkpoints F] [--deployment D] [--json]
  Proves that nothing in the decision log was altered, reordered, inserted or removed up to the last checkpoint, or names
  what was. Exit code 0: proven; 2: there are findings; 3: nothing was found, but less is proven than should be: the last
  checkpoint is more than 15 minutes older than the end of what was asked for, or records were written after the last look
  at their hour; 1: it could not be verified.
  --key K         the public key that signs checkpoints: a file (PEM, JWK or JWK set), or its Key Vault URL,
                  https://NAME.vault.azure.net/keys/KEY
  --from T        the horizon, such as 2026-11-22 or 2026-11-22T08:00:00Z: retention may have taken what is older
  --to T          streams of later hours are not read (default: now; checkpoints are expected until then, or by default
                  until the last record of a file)
  --endpoint URL, --database NAME
                  of the Cosmos DB account: signs in as DefaultAzureCredential does, and needs to read only
  --file F        a JSON Lines export of the containers decisions, streams and checkpoints: a document a line, records in
                  the order of stream and id, checkpoints in the order of id: GET /manage/decisions gives each of them
                  with order=stream&format=jsonl. With --from it needs the checkpoint before T, too
  --checkpoints F checkpoints as the timer printed them, a line each, kept where nobody can change them who can write to
                  the log; other lines are passed over. The log must hold the same, up to its end; of a file, those
                  that are later than it are a doubt: take the copies first, and the export then
  --deployment D  which all documents must be of (default: the first checkpoint's)
  --json          tells the verdict as JSON`

const options = {
  key: { type: 'string' },
  from: { type: 'string' },
  to: { type: 'string' },
  endpoint: { type: 'string' },
  database: { type: 'string' },
  file: { type: 'string' },
  checkpoints: { type: 'string' },
  deployment: { type: 'string' },
  json: { type: 'boolean', default: false },
} as const

interface Flags {
  readonly key: string
  readonly from: number | undefined
  readonly to: number
  /** Until when checkpoints are expected; undefined: to the last record. */
  readonly until: number | undefined
  readonly checkpoints: string | undefined
  readonly deployment: string | undefined
  readonly source: { readonly file: string } | { readonly endpoint: string; readonly database: string; from: number }
  readonly json: boolean
}

/** `causeway verify-log`: resolves to 0 where the log is proven, 2 where something was found, and 3 where there are doubts. */
export async function verifyLogCommand(args: readonly string[]): Promise<number> {
  const { key, from, to, until, checkpoints, deployment, source, json } = readFlags(args)
  const findKey = key.startsWith('https://') ? await openVaultKey(key) : await readKey(key)
  const log = 'file' in source ? openExport(source.file) : await openAccount({ ...source, to })
  try {
    const horizon = from === undefined ? {} : { from }
    const copies = checkpoints === undefined ? undefined : readCopies(checkpoints)
    const verdict = await verifyLog({
      ...log,
      copies,
      isExport: 'file' in source,
      findKey,
      to,
      until,
      deployment,
      ...horizon,
    })
    console.log(json ? jsonText(verdict) : showVerdict(verdict))
    return exitCodeOf(verdict)
  } finally {
    log.close()
  }
}

function exitCodeOf({ proven, doubts }: LogVerdict): number {
  if (!proven) return 2
  return doubts.length > 0 ? 3 : 0
}

// Azure's clients take a second to load, which files do without.
async function openVaultKey(url: string): Promise<FindKey> {
  const [{ vaultKey }, { DefaultAzureCredential }] = await Promise.all([
    import('./vault-key.ts'),
    import('@azure/identity'),
  ])
  return vaultKey(url, new DefaultAzureCredential())
}

async function openAccount(source: { endpoint: string; database: string; from: number; to: number }): Promise<OpenLog> {
  const [{ openCosmosLog }, { DefaultAzureCredential }] = await Promise.all([
    import('./cosmos-log.ts'),
    import('@azure/identity'),
  ])
  return openCosmosLog({ ...source, credential: new DefaultAzureCredential() })
}

/** A log, and what ends the reading of it. */
export type OpenLog = Pick<LogToVerify, 'index' | 'records' | 'problems'> & { close(): void }

function readFlags(args: readonly string[]): Flags {
  const { key, from, to, endpoint, database, file, checkpoints, deployment, json } = parse(args)
  if (key === undefined) throw new UsageError('--key is missing: the public key that signs checkpoints')
  const [now, end] = [Date.now(), to === undefined ? undefined : timeOf('--to', to)]
  const times = { from: from === undefined ? undefined : timeOf('--from', from), to: end ?? now }
  const others = { key, checkpoints, deployment, json }
  if (file !== undefined) {
    if (endpoint !== undefined || database !== undefined)
      throw new UsageError('--file goes without --endpoint, --database')
    return { ...others, ...times, until: end && Math.min(end, now), source: { file } }
  }
  if (endpoint === undefined || database === undefined)
    throw new UsageError('expected --file, or --endpoint and --database')
  if (URL.parse(endpoint)?.protocol !== 'https:') throw new UsageError('--endpoint: expected an https URL')
  if (times.from === undefined) throw new UsageError('--from is missing: the horizon, before which nothing is read')
  return { ...others, ...times, until: Math.min(times.to, now), source: { endpoint, database, from: times.from } }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options, strict: true }).values
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : 'the options cannot be read', { cause: error })
  }
}

function timeOf(name: string, text: string): number {
  const time = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2}))?$/.test(text)
    ? Date.parse(text)
    : NaN
  if (Number.isNaN(time)) throw new UsageError(`${name}: expected a time such as 2026-11-22 or 2026-11-22T08:00:00Z`)
  return time
}
