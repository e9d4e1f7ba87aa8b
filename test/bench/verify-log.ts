import { execFile } from 'node:child_process'
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { signDigest } from '../../infra/local/key-vault/p256.ts'
import { nextCheckpoint } from '../../shared/decisions/checkpoint.ts'
import type { ChainHead } from '../../shared/decisions/record.ts'
import { recordMembers } from '../../shared/decisions/record-content.ts'
import { chain, newStream, type Stream, type Unchained } from '../../shared/decisions/stream.ts'
import { entryOf, traceOf } from '../decisions/entry.ts'
import type { Part } from './part.ts'
import { median, spread } from './statistics.ts'

const name = 'verify_log.records_per_s'
const main = fileURLToPath(new URL('../../infra/cli/main.ts', import.meta.url))
const run = promisify(execFile)

/** `causeway verify-log` of a JSON Lines export: the whole command, from the start of its process. */
export const logVerification: Part = {
  names: [name],
  async run({ plan, progress }) {
    const folder = await mkdtemp(join(tmpdir(), 'causeway-bench-'))
    try {
      const { file, key, bytes } = await writeLog(folder, plan.records)
      const rates: number[] = []
      for (let round = 1; round <= plan.rounds; round++) {
        rates.push(plan.records / (await verify(file, key, plan.records)))
        progress(`${name}: round ${round} of ${plan.rounds}`)
      }
      const size = `${plan.records} records of ${Math.round(bytes / plan.records)} bytes`
      return [{ name, value: median(rates), unit: 'records/s', spread: spread(rates), detail: size }]
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  },
}

/** Seconds. Throws unless all is proven. */
async function verify(file: string, key: string, records: number): Promise<number> {
  const startedAt = performance.now()
  const { stdout } = await run(process.execPath, [main, 'verify-log', '--key', key, '--file', file, '--json'])
  const elapsed = (performance.now() - startedAt) / 1000
  const verdict: { proven: boolean; records: number } = JSON.parse(stdout)
  if (!verdict.proven || verdict.records < records) throw new Error(`not proven: ${stdout}`)
  return elapsed
}

/** A log of one stream, of records as exchanges leave them, and a checkpoint that signs its end. */
async function writeLog(folder: string, records: number) {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const [file, key] = [join(folder, 'export.jsonl'), join(folder, 'key.pem')]
  await writeFile(key, publicKey.export({ type: 'spki', format: 'pem' }))
  const out = createWriteStream(file)
  const { registration, head } = await writeStream(records, async documents => {
    const text = documents.map(document => `${JSON.stringify(document)}\n`).join('')
    if (!out.write(text)) await once(out, 'drain')
  })
  const checkpoint = await signedBy(privateKey, head)
  out.end(`${JSON.stringify(registration)}\n${JSON.stringify(checkpoint)}\n`)
  await once(out, 'finish')
  return { file, key, bytes: (await stat(file)).size }
}

const origin = { boot: '00000000-0000-4000-8000-000000000001', deployment: 'bench', ttl: 34_560_000 }
const openedAt = '2026-06-01T12:00:00.000Z'

async function writeStream(records: number, write: (documents: readonly object[]) => Promise<void>) {
  // With so many rules judged it is about as large as the records of the benchmark's exchanges.
  const trace = Array.from({ length: 6 }, (_, rule) => traceOf(`payments-api-orders-${rule}`, true))
  const { decision: _decision, ...entry } = entryOf({ trace })
  const members = recordMembers(entry)
  let stream: Stream = newStream(origin, { hour: '2026-06-01T12', lane: 0, openedAt }, { predecessor: null })
  let head: ChainHead | undefined
  for (let written = 0; written < records; written += 100) {
    const batch: Unchained[] = Array.from({ length: Math.min(100, records - written) }, (_, index) => ({
      at: openedAt,
      members: [...members, ...recordMembers({ decision: `decision-${written + index}` })],
    }))
    const chained = chain(stream, origin.ttl, batch)
    await write(chained.map(({ record }) => record))
    head = chained.at(-1)?.head
    stream = head ? { ...stream, last: head } : stream
  }
  if (!head) throw new RangeError('a log of no records')
  return { registration: stream.registration, head }
}

function signedBy(privateKey: KeyObject, head: ChainHead) {
  const { d = '' } = privateKey.export({ format: 'jwk' })
  const content = { deployment: 'bench', at: openedAt, openSince: '2026-06-01T12', open: 1, ttl: 34_646_400 }
  const key = {
    kid: 'https://bench.vault.azure.net/keys/bench/00000000000000000000000000000000',
    sign: async (digest: Uint8Array) => signDigest(d, Buffer.from(digest)),
  }
  return nextCheckpoint(undefined, { ...content, heads: [head] }, { key, signal: new AbortController().signal })
}
