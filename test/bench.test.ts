import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { type Load, startLoadGenerator } from './bench/load.ts'
import { median, quantile } from './bench/statistics.ts'

const main = fileURLToPath(new URL('bench/run.ts', import.meta.url))
const results = () => readFileSync(new URL('bench/RESULTS.md', import.meta.url), 'utf8')

/** As short as it can be: what comes out is a number, and says nothing about speed. */
const tiny = '--rounds 1 --seconds 0.2 --callers 4 --mints 2 --starts 1 --soak 0.2 --records 300'.split(' ')

interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

function bench(...options: string[]): Promise<Ended> {
  return new Promise(resolve => {
    execFile(process.execPath, [main, ...tiny, ...options], (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr })
    })
  })
}

test('--json prints one object of every stable name, each a positive number, and nothing else', async () => {
  const before = results()
  const { code, stdout, stderr } = await bench('--json')
  expect({ code, stderr }).toMatchObject({ code: 0 })
  const measured: Record<string, number> = JSON.parse(stdout)
  expect(Object.keys(measured)).toEqual([
    'noop.rps',
    'verify.rs256.fresh_ratio',
    'verify.es256.fresh_ratio',
    'verify.cached_ratio',
    'decide.us_at_100k',
    'decide.us_at_1k_one_target',
    'decide.growth',
    'decide.vs_cedar_1k',
    'decide.vs_casbin_1k',
    'compile.vs_json_parse',
    'exchange.static.throughput_ratio',
    'exchange.live.throughput_ratio',
    'lease.live.cost_ratio',
    'exchange.durable.throughput_ratio',
    'exchange.durable.vs_single_writes',
    'exchange.durable.p99_ratio',
    'exchange.mint.ms',
    'lease.mint.vs_parts_ratio',
    'lease.revocations_per_s',
    'flood.good_ratio',
    'cold_start.ms',
    'cold_start.ratio',
    'memory.mb',
    'verify_log.records_per_s',
  ])
  for (const value of Object.values(measured)) expect(value).toBeGreaterThan(0)
  expect(results()).toBe(before)
}, 120_000)

test('--only runs the parts whose names begin so, and starts nothing for the others', async () => {
  const { code, stdout, stderr } = await bench('--json', '--only', 'noo')
  expect({ code, stderr }).toMatchObject({ code: 0 })
  expect(Object.keys(JSON.parse(stdout))).toEqual(['noop.rps'])
  expect(stderr).not.toContain('exchange')
})

test('--only takes several names, and prints of a part only those that were asked for', async () => {
  const { code, stdout, stderr } = await bench('--json', '--only', 'cold_start.ratio,exchange.mint')
  expect({ code, stderr }).toMatchObject({ code: 0 })
  expect(Object.keys(JSON.parse(stdout))).toEqual(['exchange.mint.ms', 'cold_start.ratio'])
}, 120_000)

test('without --json each number stands beside its unit, and a short run says that it is one and writes no results', async () => {
  const before = results()
  const { stdout } = await bench('--only', 'noop')
  expect(results()).toBe(before)
  expect(stdout).toMatch(/^noop\.rps +[\d.]+ requests\/s \([\d.]+ to [\d.]+\)$/m)
  expect(stdout).toContain('Not a full run')
})

test('a name that nothing begins with is an error that lists the names', async () => {
  const { code, stdout, stderr } = await bench('--json', '--only', 'noop,exchnage')
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
  expect(stderr).toContain('no name begins with "exchnage"')
  expect(stderr).toContain('exchange.live.throughput_ratio')
})

/** Loads a server of the test's own. */
async function load(answer: RequestListener, options: Partial<Load> = {}) {
  const server = createServer((request, response) => request.resume().on('end', () => answer(request, response)))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const generator = startLoadGenerator()
  onTestFinished(() => {
    generator.stop()
    server.closeAllConnections()
    server.close()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`
  return generator.run({ url, forms: ['a=1'], callers: 2, until: { requests: 20 }, ...options })
}

test('the load generator sends its forms in turn and counts each answer once', async () => {
  const seen = new Map<string, number>()
  const { answers } = await load(
    (request, response) => {
      const length = request.headers['content-length'] ?? ''
      seen.set(length, (seen.get(length) ?? 0) + 1)
      response.setHeader('content-length', 3).write('4')
      // An answer in two pieces is one answer.
      setTimeout(() => response.end('56'), 2)
    },
    { forms: ['a=1', 'a=1234'] },
  )
  expect(answers).toBe(20)
  expect(seen).toEqual(
    new Map([
      ['3', 10],
      ['6', 10],
    ]),
  )
})

test('one answer that is no 200 fails the load and is shown', async () => {
  let count = 0
  const loaded = load((_, response) => {
    count += 1
    const text = count === 7 ? 'come back later' : 'fine'
    response.writeHead(count === 7 ? 503 : 200, { 'content-length': text.length }).end(text)
  })
  await expect(loaded).rejects.toThrow('/token: expected 200 only, got 503: come back later')
})

test('a connection that is closed under the load fails it', async () => {
  const loaded = load((_, response) => void response.destroy())
  await expect(loaded).rejects.toThrow(/closed|ECONNRESET/)
})

test('a median is the middle, and a quantile of nothing is an error', () => {
  expect([median([3, 1, 2]), median([4, 1, 2, 3]), quantile([5, 1, 4, 2, 3], 0.99)]).toEqual([2, 2.5, 5])
  expect(() => median([])).toThrow(RangeError)
  expect(() => quantile([], 0.5)).toThrow(RangeError)
})
