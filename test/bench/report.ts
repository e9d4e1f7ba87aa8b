import { availableParallelism, cpus, platform } from 'node:os'
import type { Measurement, Plan } from './part.ts'

/** One JSON object: names and numbers. */
export function toJson(measured: readonly Measurement[]): string {
  return JSON.stringify(Object.fromEntries(measured.map(({ name, value }) => [name, Number(rounded(value))])))
}

/** A few lines for whoever waits at the terminal. */
export function describeShort(measured: readonly Measurement[], complete: boolean): string {
  const width = Math.max(...measured.map(({ name }) => name.length))
  const lines = measured.map(one => {
    const between = one.spread ? ` (${one.spread.map(rounded).join(' to ')})` : ''
    return `${one.name.padEnd(width)}  ${rounded(one.value)} ${one.unit}${between}\n${''.padEnd(width)}  ${one.detail}`
  })
  const note = complete ? [] : ['', 'Not a full run: shorter, or not all of it. RESULTS.md stays as it is.']
  return [...lines, ...note].join('\n')
}

/** Four digits that count: what the machine's noise leaves of a number is less. */
function rounded(value: number): string {
  return Math.abs(value) >= 1000 ? value.toFixed(0) : String(Number(value.toPrecision(4)))
}

/** The text of RESULTS.md. */
export function describeResults(measured: readonly Measurement[], plan: Plan): string {
  const rows = measured.map(({ name, value, unit, spread, detail }) => {
    const between = spread ? spread.map(rounded).join(' to ') : ''
    return `| \`${name}\` | ${rounded(value)} ${unit} | ${between} | ${detail} |`
  })
  return `# Speed

Written by \`npm run bench\`; do not edit. The last full run: ${new Date().toISOString().slice(0, 10)}, ${machine()}.

| name | median | lowest to highest | what else was seen |
|---|---|---|---|
${rows.join('\n')}

${howMeasured(plan)}${whatLimits}`
}

function machine(): string {
  const model = cpus()[0]?.model.trim() || 'unknown processor'
  return `Node ${process.version}, ${platform()}, ${availableParallelism()} cores (${model})`
}

function howMeasured({ rounds, seconds, callers, mints, starts, soak, records }: Plan): string {
  return `## How it was measured

Everything runs on one machine: the gateway (its production bundle in the local Functions host), the no-op (a bundled
function app of one function that answers \`{}\`, in another process of the same host), PostgreSQL, the load generator in
a process of its own, and the stand-ins for Cosmos DB, Key Vault, the tenant and the cluster in the process that runs
the benchmark. ${callers} callers ask over one kept connection each, and ask again when they have the answer. Only
answers of status 200 count, and any other ends the run.

- \`noop.rps\`: requests of an exchange's size to the no-op; ${rounds} rounds of ${seconds} s.
- \`exchange.*.throughput_ratio\`: answers a second, as a ratio to the no-op's, which is sent the very same forms. The
  two take turns in ${rounds} rounds of ${seconds} s each; the number is the median of the rounds' ratios. \`static\`:
  \`billing/batch\` asks for \`mainframe-ftp\`. \`live\`: \`payments/api\` asks again for the \`orders-db\` login that it
  holds. Every answer has its own record in the decision log, written before it left.
- \`exchange.durable.*\`: the same as \`live\`, in turns with the no-op and with a gateway that is built of the same source
  but for its decision log, which writes each record by itself and chains none. \`vs_single_writes\` is the ratio of the
  answers a second, whole exchanges both; \`p99_ratio\` that of the 99th percentiles to the no-op's.
- \`verify.*.fresh_ratio\`: the time of a whole verification (shape, issuer, claims, signature, identity) of tokens that
  are new, to that of \`jose.jwtVerify\` of the same ones, in one process; \`verify.cached_ratio\`: of tokens that were
  verified before.
- \`decide.*\`: decisions with their traces, in one process, in turns with Cedar (its stateful policy sets) and casbin
  (\`enforceSync\`) on the same rules, after all three gave the same answers; half of the requests are denied. At
  100,000 rules they are spread over 1,000 targets; \`1k\` means those of one target, and the last column has the ratio where
  they are spread over ten. \`decide.growth\`: the cost at 100,000 rules to that at 10.
- \`compile.vs_json_parse\`: reading 1,000 stored rules of one target, to \`JSON.parse\` of their text.
- \`flood.good_ratio\`: what good callers keep of their throughput while ${callers} others send garbage: no token, a token
  of an unknown issuer, a broken signature, in turn.
- \`exchange.mint.ms\`: ${mints} pods that are new, one after the other; each gets a PostgreSQL login of its own.
- \`lease.live.cost_ratio\`: the gateway's processor time for one answer that describes a live lease again, to the
  no-op's for one of its own. \`lease.mint.vs_parts_ratio\`: the time of a mint to that of the same statements sent bare to
  the same server, by a login with the minter's rights and as many accounts, and two writes to Cosmos DB, one after the
  other, from a process of their own, in ten turns of each. \`lease.revocations_per_s\`: ${mints} accounts of one
  target that are due at once, ended by one run of the timer: locked, sessions looked for, dropped, looked for again,
  recorded.
- \`cold_start.ms\`: from just before the host's process is started to the first \`POST /token\` answered with 200 (a
  static secret), ${starts} starts, files in the system's cache. \`cold_start.ratio\`: to \`node -e 0\`, started just before.
- \`memory.mb\`: resident memory of a gateway that had ${soak} s of load, half static secrets and half live leases.
- \`verify_log.records_per_s\`: \`causeway verify-log\` of a JSON Lines export of ${records} records in one stream, whose last
  one a checkpoint signs; from the start of the command's process to its end.

All hosts run Node with \`--max-semi-space-size=64\`, as README.md proposes for Azure.
Processor time is the loaded process's own, from \`/proc\`, all of its threads.
`
}

const whatLimits = `
## What it means, and what limits it

- The ratio to the no-op is what an exchange costs beyond the host itself, **with the stand-ins' work included**: on
  few cores they, the load generator and the gateway share the processors, and the stand-in for Cosmos DB works for
  every exchange and never for the no-op. The processor time per answer, in the last column, is the loaded process's
  alone.
- Every exchange awaits its record, which goes to Cosmos DB with those of others that came meanwhile. A profile of live
  exchanges at 64 callers gave the host and the programming model two fifths of the gateway's processor time (what the
  no-op costs), the record (its canonical form, hash, chain and printed line) a seventh, the SDK and its HTTPS client an
  eighth, the garbage collector a twelfth, and the rest of the gateway's own code a quarter. Single writes add more than
  as much again, each about what the SDK takes for one request. Whatever is done for the record, the rest of an exchange
  stays: it alone keeps the ratio to single writes well below what records in one batch save in requests.
- Nothing here says how fast Azure is. Stand-ins on loopback answer in well under the milliseconds that Cosmos DB takes,
  and the Azure host passes each request to the worker over gRPC, which the local host does not. Compare the ratios of
  one release with those of another, on one machine.
- A decision at 100,000 rules costs more than at 10 because its rules are no longer in the processor's caches; how many
  other rules there are does not matter otherwise. A denial costs more than an allowed request: its trace shows up to
  eight rules that were not meant.
- A fresh lease is three writes in Cosmos DB, one after the other: the lease, the record, and the lease again once the
  account is there. Beside the second one, the server is asked for its clock and the 4,096 rounds of PBKDF2 are made that
  SCRAM-SHA-256 asks for; the server makes as many again when it creates the account, and then looks through all that the
  minting login has made before.
- A start includes the local host's own: it is TypeScript that Node strips as it loads, where Azure has a warm worker.
- Other work on the machine shows in the spread. Where it is wide, only the ratios are worth reading.
`
