import { writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import type { Measurement, Part, Plan } from './part.ts'
import { parts } from './parts.ts'
import { describeResults, describeShort, toJson } from './report.ts'
import { openStage } from './stage.ts'

const usage = `npm run bench [-- options]
  --only a,b     the parts with a name that begins so
  --json         one JSON object of names and numbers, and nothing else, on stdout
  --quick        shorter everything: to see that it works, not for numbers
  --rounds N --seconds N --callers N --mints N --starts N --soak N --records N`

/** What the names promise: `soak` is the minute of load. */
const full: Plan = { rounds: 5, seconds: 2, callers: 64, mints: 200, starts: 9, soak: 60, records: 100_000 }
const quick: Plan = { rounds: 2, seconds: 0.5, callers: 64, mints: 20, starts: 3, soak: 5, records: 5_000 }

interface Wanted {
  readonly plan: Plan
  readonly json: boolean
  readonly parts: readonly Part[]
  /** Whether a part's name was asked for. */
  readonly includes: (name: string) => boolean
  /** Everything at full length: what RESULTS.md may tell. */
  readonly complete: boolean
}

function readArguments(): Wanted {
  const number = { type: 'string' } as const
  const { values } = parseArgs({
    options: {
      only: { type: 'string' },
      json: { type: 'boolean', default: false },
      quick: { type: 'boolean', default: false },
      rounds: number,
      seconds: number,
      callers: number,
      mints: number,
      starts: number,
      soak: number,
      records: number,
    },
  })
  const lengths = values.quick ? quick : full
  const plan = Object.fromEntries(
    Object.entries(lengths).map(([name, length]) => [name, readNumber(values[name as keyof Plan], length)]),
  )
  const includes = nameFilter(values.only)
  return {
    plan: { ...lengths, ...plan },
    json: values.json,
    parts: parts.filter(({ names }) => names.some(includes)),
    includes,
    complete: values.only === undefined && Object.entries(full).every(([name, length]) => plan[name] === length),
  }
}

function nameFilter(only: string | undefined): Wanted['includes'] {
  const names = parts.flatMap(({ names }) => names)
  const beginnings = only?.split(',').map(beginning => beginning.trim()) ?? ['']
  const idle = beginnings.find(beginning => !names.some(name => name.startsWith(beginning)))
  if (idle !== undefined) throw new RangeError(`no name begins with "${idle}". The names:\n  ${names.join('\n  ')}`)
  return name => beginnings.some(beginning => name.startsWith(beginning))
}

function readNumber(text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise
  const number = Number(text)
  if (!(number > 0)) throw new RangeError(`expected a number above 0, not "${text}"\n${usage}`)
  return number
}

async function measure({ parts, plan }: Wanted): Promise<readonly Measurement[]> {
  const stage = openStage()
  const interrupted = () => void stage.stop().finally(() => process.exit(130))
  process.once('SIGINT', interrupted)
  process.once('SIGTERM', interrupted)
  const progress = (line: string) => console.error(line)
  const measured: Measurement[] = []
  try {
    for (const part of parts) measured.push(...(await part.run({ plan, stage, progress })))
  } catch (error) {
    for (const line of stage.complaints) console.error(line)
    throw error
  } finally {
    await stage.stop()
  }
  return measured
}

try {
  const wanted = readArguments()
  const measured = (await measure(wanted)).filter(({ name }) => wanted.includes(name))
  if (wanted.json) console.log(toJson(measured))
  else console.log(describeShort(measured, wanted.complete))
  if (wanted.complete && !wanted.json) {
    await writeFile(new URL('RESULTS.md', import.meta.url), describeResults(measured, wanted.plan))
    console.log('\nwritten: test/bench/RESULTS.md')
  }
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error))
  process.exitCode = 1
}
