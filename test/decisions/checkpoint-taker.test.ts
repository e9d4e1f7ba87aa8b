import { createPublicKey, type KeyObject } from 'node:crypto'
import { CryptographyClient, KeyClient } from '@azure/keyvault-keys'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openCertificateAuthority } from '../../infra/local/certificate-authority.ts'
import { type LocalKeyVault, startKeyVault } from '../../infra/local/key-vault/key-vault.ts'
import { type CheckpointKey, checkpointDocument } from '../../shared/decisions/checkpoint.ts'
import type { CheckpointOptions } from '../../shared/decisions/checkpoint-run.ts'
import { checkpointTaker, type TakeCheckpoint } from '../../shared/decisions/checkpoint-taker.ts'
import { type CheckpointStore, cosmosCheckpoints } from '../../shared/decisions/cosmos-checkpoints.ts'
import { keyVaultSigner } from '../../shared/decisions/key-vault-signer.ts'
import { recordHash } from '../../shared/decisions/record-hash.ts'
import { verifyLog } from '../../shared/decisions/verify-log.ts'
import { type StandIn, startStandIn } from '../conformance/cosmos/stand-in.ts'
import { type Document, type SampleLog, sampleLog } from './sample-log.ts'

let standIn: StandIn
let vault: LocalKeyVault
let store: CheckpointStore
let log: SampleLog
let now: number
let printed: string[]
let stored: Set<Document>

const containers = [
  { id: 'decisions', partitionKey: '/stream' },
  { id: 'streams', partitionKey: '/hour' },
  { id: 'checkpoints', partitionKey: '/day' },
]
const database = () => standIn.database('token-of-timers', { maxRetryAttemptCount: 0 })

beforeEach(async () => {
  standIn = await startStandIn({ containers })
  vault = await startKeyVault({
    certificate: await (await openCertificateAuthority(standIn.dir)).issue(),
    authority: 'https://localhost:1/tenant',
    authenticate: async token => /^token-of-(\w+)$/.exec(token)?.[1],
    authorize: () => false,
    authorizeKey: (_, action) => action !== 'create',
  })
  vault.createKey('checkpoints')
  const [checkpoints, streams, decisions] = ['checkpoints', 'streams', 'decisions'].map(id => database().container(id))
  if (!checkpoints || !streams || !decisions) throw new Error('three names are three containers')
  store = cosmosCheckpoints({ checkpoints, streams, decisions })
  now = Date.parse('2026-06-01T12:30:00.000Z')
  printed = []
  stored = new Set()
  log = sampleLog()
})
afterEach(async () => {
  await vault.stop()
  await standIn.stop()
})

const credential = { getToken: async () => ({ token: 'token-of-timers', expiresOnTimestamp: Date.now() + 3_600_000 }) }
const clientOptions = { disableChallengeResourceVerification: true, retryOptions: { maxRetries: 0 } }

function currentKey(): (signal: AbortSignal) => Promise<CheckpointKey> {
  return keyVaultSigner({
    keys: new KeyClient(vault.url, credential, clientOptions),
    name: 'checkpoints',
    cryptographyOf: key => new CryptographyClient(key, credential, clientOptions),
  })
}

const retention = 30 * 86_400_000

/** A timer that has just started. */
function timer(options: Partial<CheckpointOptions> = {}): TakeCheckpoint {
  const print = (line: string) => printed.push(line)
  return checkpointTaker({
    store,
    currentKey: currentKey(),
    deployment: 'test',
    retention,
    now: () => now,
    print,
    ...options,
  })
}

const anyLength = () => new AbortController().signal
const streamOf = (number: number, hour = '2026-06-01T12') =>
  `${hour}/${String(number).padStart(8, '0')}-0000-4000-8000-000000000000/0`

/** Puts what the sample log has by now where the timer looks. */
async function publish(): Promise<void> {
  for (const [container, documents] of [
    ['streams', log.registrations],
    ['decisions', [...log.streams.values()].flat()],
  ] as const) {
    for (const document of documents) {
      if (!stored.has(document)) await database().container(container).items.create(document)
      stored.add(document)
    }
  }
}

async function checkpoints() {
  const { resources } = await database().container('checkpoints').items.query('SELECT * FROM c').fetchAll()
  return resources.map(each => checkpointDocument.parse(each)).toSorted((a, b) => (a.id < b.id ? -1 : 1))
}

async function* each(documents: readonly Document[]) {
  yield* documents
}

async function publicKey(kid: string): Promise<KeyObject> {
  const { key } = await new KeyClient(vault.url, credential, clientOptions).getKey('checkpoints', {
    version: kid.split('/').at(-1) ?? '',
  })
  const text = (part?: Uint8Array) => Buffer.from(part ?? []).toString('base64url')
  return createPublicKey({ key: { kty: 'EC', crv: 'P-256', x: text(key?.x), y: text(key?.y) }, format: 'jwk' })
}

/** What the verifier says of what is stored. */
async function verify() {
  const records = [...log.streams.values()].flat()
  const index = [...(await checkpoints()), ...log.registrations, ...records.filter(({ kind }) => kind === 'stream')]
  return verifyLog({ index: each(index), records: each(records), findKey: publicKey })
}

test('a checkpoint names the last record of every stream, is signed by Key Vault, kept and printed, and proves them', async () => {
  for (const number of [1, 2, 3]) {
    log.open(streamOf(number))
    log.write(streamOf(number), number)
  }
  await publish()
  const run = await timer()(anyLength())
  expect(run).toEqual({ checkpoints: 1, heads: 3, suspects: [], foreign: [], unread: [], overtaken: false })
  const [checkpoint] = await checkpoints()
  expect(checkpoint).toMatchObject({
    id: '000000000001',
    day: '2026-06-01',
    at: '2026-06-01T12:30:00.000Z',
    previous: null,
    openSince: '2026-06-01T12',
    open: 3,
    ttl: 31 * 86_400,
    heads: [1, 2, 3].map(number => ({ stream: streamOf(number), id: `00000000000${number + 1}` })),
    key: { kid: expect.stringContaining(`${vault.url}/keys/checkpoints/`), alg: 'ES256' },
  })
  expect(printed.length).toBe(1)
  expect(recordHash(JSON.parse(printed[0] ?? '{}'))).toBe(recordHash(checkpoint ?? {}))
  expect(await verify()).toMatchObject({ proven: true, unproven: [] })
})

test('the next one names only the streams that moved, and the checkpoint before it; one is made where none did', async () => {
  log.open(streamOf(1))
  log.open(streamOf(2))
  await publish()
  const take = timer()
  await take(anyLength())
  log.write(streamOf(2), 4)
  await publish()
  now += 60_000
  await take(anyLength())
  now += 60_000
  await take(anyLength())
  const [one, two, three] = await checkpoints()
  expect(two?.heads.map(({ stream, id }) => [stream, id])).toEqual([[streamOf(2), '000000000005']])
  expect(two?.previous).toBe(recordHash(one ?? {}))
  expect(three).toMatchObject({ heads: [], open: 2, at: '2026-06-01T12:32:00.000Z' })
  expect(await verify()).toMatchObject({ proven: true, unproven: [] })
})

test('a timer that was started anew goes on where the last one stopped', async () => {
  log.open(streamOf(1))
  await publish()
  await timer()(anyLength())
  log.open(streamOf(2))
  await publish()
  now += 60_000
  await timer()(anyLength())
  expect((await checkpoints()).map(({ heads }) => heads.length)).toEqual([1, 1])
  now += 60_000
  await timer()(anyLength())
  expect((await checkpoints()).map(({ heads }) => heads.length)).toEqual([1, 1, 0])
})

test('more streams than fit into one checkpoint are in several, each printed as a line that is not cut', async () => {
  for (let number = 1; number <= 160; number++) log.open(streamOf(number))
  await publish()
  expect(await timer()(anyLength())).toMatchObject({ checkpoints: 2, heads: 160 })
  expect((await checkpoints()).map(({ heads }) => heads.length)).toEqual([150, 10])
  for (const line of printed) expect(Buffer.byteLength(line)).toBeLessThan(32 * 1024)
  expect(await verify()).toMatchObject({ proven: true, unproven: [] })
})

describe('an hour that is over', () => {
  test('is looked at once more after a grace, and then no longer', async () => {
    log.open(streamOf(1))
    await publish()
    const take = timer()
    await take(anyLength())
    log.write(streamOf(1), 1)
    await publish()
    now = Date.parse('2026-06-01T13:04:59.000Z')
    await take(anyLength())
    log.write(streamOf(1), 1)
    await publish()
    now = Date.parse('2026-06-01T13:05:00.000Z')
    await take(anyLength())
    log.write(streamOf(1), 1)
    await publish()
    now += 60_000
    await take(anyLength())
    const made = await checkpoints()
    expect(made.map(({ openSince }) => openSince.slice(-2))).toEqual(['12', '12', '13', '13'])
    expect(made.map(({ heads }) => heads[0]?.id)).toEqual(['000000000001', '000000000002', '000000000003', undefined])
    // What a stalled process wrote after the last look.
    const { proven, unproven } = await verify()
    expect({ proven, unproven }).toEqual({
      proven: true,
      unproven: [{ stream: streamOf(1), after: '000000000003', records: 1, closed: true }],
    })
  })

  test('and that no timer saw is caught up with, however long ago', async () => {
    log.open(streamOf(1))
    await publish()
    await timer()(anyLength())
    log.open(streamOf(2, '2026-06-01T15'))
    log.open(streamOf(3, '2026-06-02T02'))
    await publish()
    now = Date.parse('2026-06-03T10:20:00.000Z')
    expect(await timer()(anyLength())).toMatchObject({ heads: 2 })
    expect((await checkpoints()).at(-1)).toMatchObject({ day: '2026-06-01', openSince: '2026-06-03T10' })
    // The next one lies where the one before it was made.
    now += 60_000
    await timer()(anyLength())
    now += 60_000
    await timer()(anyLength())
    expect((await checkpoints()).map(({ day }) => day)).toEqual([
      '2026-06-01',
      '2026-06-01',
      '2026-06-03',
      '2026-06-03',
    ])
    expect(await verify()).toMatchObject({ proven: true, unproven: [] })
  })

  test('stays open where a run is ended before it was looked at whole', async () => {
    log.open(streamOf(1))
    await publish()
    now = Date.parse('2026-06-01T14:00:00.000Z')
    const ended = new AbortController()
    const streamsOf = (hour: string) => {
      ended.abort()
      return store.streamsOf(hour)
    }
    await timer({ store: { ...store, streamsOf } })(ended.signal)
    expect(await checkpoints()).toMatchObject([{ openSince: '2026-06-01T12', heads: [] }])
    await timer()(anyLength())
    expect((await checkpoints()).at(-1)).toMatchObject({ openSince: '2026-06-01T13', heads: [{ stream: streamOf(1) }] })
  })
})

describe('so many registrations that a run is ended before it comes to those that sort last', () => {
  /** Ends each run after so many looks at streams. */
  function endedAfter(looks: number): () => Promise<unknown> {
    let ended = new AbortController()
    let left = looks
    const end: CheckpointStore['end'] = (stream, signed) => {
      left -= 1
      if (left <= 0) ended.abort()
      return store.end(stream, signed)
    }
    const take = timer({ store: { ...store, end } })
    return () => {
      ended = new AbortController()
      left = looks
      now += 60_000
      return take(ended.signal)
    }
  }
  const honest = (hour: string) => `${hour}/ffffffff-0000-4000-8000-000000000000/0`

  test.each(['2026-06-01T12:30:00.000Z', '2026-06-01T14:30:00.000Z'])('at %s keep nothing unsigned', async at => {
    for (let number = 1; number <= 40; number++) log.open(streamOf(number))
    log.open(honest('2026-06-01T12'))
    await publish()
    now = Date.parse(at)
    const take = endedAfter(16)
    for (let run = 0; run < 3; run++) await take()
    expect(await verify()).toMatchObject({ proven: true, unproven: [] })
    if (at.includes('T14')) return
    const grow = async (runs: number) => {
      log.write(honest('2026-06-01T12'), 1)
      await publish()
      for (let run = 0; run < runs; run++) await take()
      expect(await verify()).toMatchObject({ proven: true, unproven: [] })
    }
    // One that is known to grow has its turn before the others.
    await grow(3)
    await grow(2)
  })

  test('in an earlier hour keep no later one from its turn', async () => {
    for (let number = 1; number <= 200; number++) log.open(streamOf(number))
    log.open(honest('2026-06-01T14'))
    await publish()
    now = Date.parse('2026-06-01T14:30:00.000Z')
    const take = endedAfter(16)
    for (let run = 0; run < 2; run++) await take()
    expect((await checkpoints()).flatMap(({ heads }) => heads.map(({ stream }) => stream))).toContain(
      honest('2026-06-01T14'),
    )
  })
})

describe('two runs at once', () => {
  test.each(['2026-06-01T12:30:00.000Z', '2026-06-01T23:59:59.999Z'])(
    'at %s make one chain: one of them gives up',
    async at => {
      now = Date.parse(at)
      await timer()(anyLength())
      log.open(streamOf(1, at.slice(0, 13)))
      await publish()
      const midnight = timer({ now: () => now + 1 })
      const runs = await Promise.all([timer()(anyLength()), midnight(anyLength()), timer()(anyLength())])
      expect(runs.filter(({ overtaken }) => overtaken).length).toBe(
        3 - runs.filter(({ checkpoints }) => checkpoints).length,
      )
      const ids = (await checkpoints()).map(({ id }) => id)
      expect(ids).toEqual(ids.map((_, place) => String(place + 1).padStart(12, '0')))
      await timer()(anyLength())
      expect(await verify()).toMatchObject({ proven: true, unproven: [] })
    },
  )

  test('the one that was overtaken takes its turn the next time', async () => {
    const [one, other] = [timer(), timer()]
    await one(anyLength())
    await other(anyLength())
    await one(anyLength())
    expect((await checkpoints()).length).toBe(3)
  })
})

describe('nothing is written', () => {
  test.each([
    ['Key Vault is down', { status: 503 }],
    ['Key Vault is throttled', { status: 429 }],
  ] as const)('while %s, and the next run makes up for it', async (_, fault) => {
    log.open(streamOf(1))
    await publish()
    const take = timer()
    vault.faults.inject(fault)
    const failed = { code: 'temporarily_unavailable', reason: 'vault_unavailable', detail: { status: fault.status } }
    await expect(take(anyLength())).rejects.toMatchObject(failed)
    expect([await checkpoints(), printed]).toEqual([[], []])
    vault.faults.clear()
    await take(anyLength())
    expect(await verify()).toMatchObject({ proven: true, unproven: [] })
  })

  test('where there is no such key, or one of another kind', async () => {
    const named = (name: string) =>
      keyVaultSigner({
        keys: new KeyClient(vault.url, credential, clientOptions),
        name,
        cryptographyOf: key => new CryptographyClient(key, credential, clientOptions),
      })
    vault.createKey('rsa', { kty: 'RSA' })
    for (const name of ['nothing', 'rsa']) {
      const run = timer({ currentKey: named(name) })(anyLength())
      await expect(run).rejects.toMatchObject({ reason: 'vault_unavailable' })
    }
    expect(await checkpoints()).toEqual([])
  })

  test('while Cosmos DB is down', async () => {
    standIn.cosmos.faults.add({ container: 'checkpoints', status: 503, times: 100 })
    await expect(timer()(anyLength())).rejects.toMatchObject({ reason: 'record_unavailable' })
    standIn.cosmos.faults.clear()
    expect([await checkpoints(), printed]).toEqual([[], []])
  })
})

describe('a stream whose end is not what was signed', () => {
  test('because records were removed is reported, and not signed anew', async () => {
    log.open(streamOf(1))
    log.write(streamOf(1), 3)
    await publish()
    await timer()(anyLength())
    await database().container('decisions').item('000000000004', streamOf(1)).delete()
    now += 60_000
    expect(await timer()(anyLength())).toMatchObject({ suspects: [streamOf(1)], heads: 0 })
    log.streams.get(streamOf(1))?.pop()
    expect((await verify()).findings).toMatchObject([{ kind: 'cut', id: '000000000004' }])
  })

  test('because the last record was altered, too', async () => {
    log.open(streamOf(1))
    await publish()
    await timer()(anyLength())
    const item = database().container('decisions').item('000000000001', streamOf(1))
    const { resource } = await item.read<Document>()
    await item.replace({ ...resource, outcome: 'x', id: '000000000001' })
    now += 60_000
    expect(await timer()(anyLength())).toMatchObject({ suspects: [streamOf(1)], heads: 0 })
  })
})

describe('a record that no writer of ours has put there', () => {
  test.each(['zzz', '999999999999', '00000000000x', '000000000009'])(
    'as %s is told, and the others are signed',
    async id => {
      log.open(streamOf(1))
      await publish()
      const foreign = { id, stream: streamOf(1), kind: 'exchange', previous: null, at: '2026-06-01T12:20:00.000Z' }
      const take = timer()
      await database().container('decisions').items.create(foreign)
      for (const last of ['000000000001', '000000000003']) {
        expect(await take(anyLength())).toMatchObject({ suspects: [streamOf(1)], heads: 1 })
        expect((await checkpoints()).at(-1)?.heads).toMatchObject([{ id: last }])
        log.write(streamOf(1), 2)
        await publish()
        now += 60_000
      }
    },
  )
})

describe('what somebody puts among the registrations of an hour', () => {
  const foreign = (document: Document) => database().container('streams').items.create(document)
  const registrationOf = (stream: string, changes: Document = {}) => {
    log.open(stream)
    return { ...log.registrations.pop(), ...changes }
  }
  const [own, past] = [streamOf(1), streamOf(9, '2026-05-31T12')]

  test.each<[string, () => Document]>([
    ['names a stream of another hour', () => registrationOf(past, { id: 'x', hour: '2026-06-01T12' })],
    ['names a stream under another id', () => registrationOf(streamOf(9), { id: 'x' })],
    ['says more than a registration', () => registrationOf(streamOf(9), { note: 'x' })],
    ['names no stream', () => ({ id: 'x', hour: '2026-06-01T12', stream: { toString: 1 } })],
    ['names one that Cosmos DB cannot hold', () => ({ id: 'x', hour: '2026-06-01T12', stream: 'x'.repeat(3_000) })],
  ])('and %s has nothing signed, is told, and keeps nobody else from being signed', async (_, make) => {
    log.open(own)
    await foreign(make())
    await publish()
    const run = await timer()(anyLength())
    expect(run).toMatchObject({ heads: 1, suspects: [], foreign: [expect.stringMatching(/^2026-06-01T12: /)] })
    expect((await checkpoints()).flatMap(({ heads }) => heads)).toMatchObject([{ stream: own }])
  })

  test('of an hour that is none, or long gone, does not move where the first checkpoint begins', async () => {
    await foreign({ id: 'x', hour: '0001-01-01T00' })
    await foreign({ id: 'x', hour: '2026-05-31Tzz' })
    log.open(streamOf(1, '2026-06-01T11'))
    await publish()
    expect(await timer({ retention: 86_400_000 })(anyLength())).toMatchObject({ heads: 1 })
    expect((await checkpoints())[0]?.openSince).toBe('2026-06-01T12')
  })
})

describe('what cannot be read', () => {
  test('of one stream is told, keeps no other from being signed, and is looked at until it can', async () => {
    for (const number of [1, 2]) log.open(streamOf(number))
    await publish()
    now = Date.parse('2026-06-01T13:30:00.000Z')
    let isDown = true
    const end: CheckpointStore['end'] = async (stream, signed) => {
      if (isDown && stream === streamOf(1)) throw new Error('no answer')
      return store.end(stream, signed)
    }
    const take = timer({ store: { ...store, end } })
    expect(await take(anyLength())).toMatchObject({ heads: 1, unread: [streamOf(1)] })
    expect((await checkpoints()).at(-1)?.openSince).toBe('2026-06-01T12')
    isDown = false
    now += 60_000
    expect(await take(anyLength())).toMatchObject({ heads: 1, unread: [] })
    expect((await checkpoints()).at(-1)?.openSince).toBe('2026-06-01T13')
    expect(await verify()).toMatchObject({ proven: true, unproven: [] })
  })

  test('of one hour is told, and keeps no other hour from being signed', async () => {
    log.open(streamOf(1))
    log.open(streamOf(2, '2026-06-01T13'))
    await publish()
    now = Date.parse('2026-06-01T13:30:00.000Z')
    const streamsOf: CheckpointStore['streamsOf'] = async hour => {
      if (hour === '2026-06-01T12') throw new Error('no answer')
      return store.streamsOf(hour)
    }
    const run = await timer({ store: { ...store, streamsOf } })(anyLength())
    expect(run).toMatchObject({ heads: 1, unread: ['2026-06-01T12'] })
    expect((await checkpoints())[0]?.openSince).toBe('2026-06-01T12')
  })
})

test('after a rotation the newest version of the key signs, and both verify', async () => {
  const take = timer()
  await take(anyLength())
  vault.createKey('checkpoints')
  now += 60_000
  await take(anyLength())
  const kids = (await checkpoints()).map(({ key }) => key.kid)
  expect(new Set(kids).size).toBe(2)
  expect(await verify()).toMatchObject({ proven: true })
})
