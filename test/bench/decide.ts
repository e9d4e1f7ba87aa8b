import { type Ask, casbin, causeway, cedar } from './decide-engines.ts'
import { type BenchRequest, requestsOf, rulesOf } from './decide-rules.ts'
import type { Measurement, Part, Plan } from './part.ts'
import { median, spread } from './statistics.ts'

/** How many targets there are, and how many rules each has. */
const sizes = {
  '10': { targets: 1, rules: 10 },
  '1,000': { targets: 10, rules: 100 },
  '100,000': { targets: 1_000, rules: 100 },
  '1,000 of one target': { targets: 1, rules: 1_000 },
} as const
type Size = keyof typeof sizes
const everySize = Object.keys(sizes) as Size[]

const engines = { causeway, cedar, casbin }
type EngineName = keyof typeof engines

/** How many requests take turns, at each size alike. The others are so slow that a few must do. */
const requestCounts: Readonly<Record<EngineName, number>> = { causeway: 800, cedar: 24, casbin: 24 }

/** One engine with rules of one size. */
interface Contender {
  readonly engine: EngineName
  readonly size: Size
  readonly asks: readonly Ask[]
  /** Microseconds for one decision, turn by turn. */
  readonly costs: number[]
}

/** What a decision costs, beside Cedar and casbin with the same rules, in this process, in turns. */
export const decisionCost: Part = {
  names: [
    'decide.us_at_100k',
    'decide.us_at_1k_one_target',
    'decide.growth',
    'decide.vs_cedar_1k',
    'decide.vs_casbin_1k',
  ],
  async run({ plan, progress }) {
    const contenders: Contender[] = []
    for (const size of everySize) {
      progress(`decide: loading ${size} rules`)
      for (const engine of Object.keys(engines) as EngineName[]) contenders.push(await load(engine, size))
    }
    for (let round = 0; round <= plan.rounds; round++) {
      takeTurns(contenders, plan, round)
      if (round > 0) progress(`decide: round ${round} of ${plan.rounds}`)
    }
    return measurementsOf(
      (engine, size) => contenders.find(one => one.engine === engine && one.size === size)?.costs ?? [],
    )
  },
}

/** Throws where the engine answers otherwise than it must: then costs would not compare. */
async function load(engine: EngineName, size: Size): Promise<Contender> {
  const requests = requestsFor(size, requestCounts[engine])
  const { targets, rules } = sizes[size]
  const all = Array.from({ length: targets }, (_, index) => `target-${index}`)
  // Ours holds the rules of every target. The others have no part in telling targets apart: what nobody asks for is left out.
  const loaded = engine === 'causeway' ? all : all.filter(each => requests.some(({ target }) => target === each))
  const makeReady = await engines[engine](new Map(loaded.map(target => [target, rulesOf(target, rules)])))
  const asks = requests.map(makeReady)
  const wrong = requests.find(({ isAllowed }, at) => asks[at]?.() !== isAllowed)
  if (wrong) throw new Error(`${engine} at ${size} rules answers wrongly: ${JSON.stringify(wrong)}`)
  return { engine, size, asks, costs: [] }
}

/** Requests about targets far from each other, and about other rules of them each time. */
function requestsFor(size: Size, count: number): readonly BenchRequest[] {
  const { targets, rules } = sizes[size]
  const groups = Array.from({ length: count / 8 }, (_, at) =>
    requestsOf(`target-${(at * 389) % targets}`, at % (rules / 10)),
  )
  return groups.flat()
}

/** The first round warms everything up. Each is first in every other round. */
function takeTurns(contenders: readonly Contender[], { seconds }: Plan, round: number): void {
  for (const { asks, costs } of round % 2 === 0 ? contenders : contenders.toReversed()) {
    const cost = costOf(asks, seconds * 100)
    if (round > 0) costs.push(cost)
  }
}

/** Microseconds for one decision: all requests in turn, again and again until the milliseconds are over. */
function costOf(asks: readonly Ask[], milliseconds: number): number {
  const startedAt = performance.now()
  for (let made = asks.length; ; made += asks.length) {
    for (const ask of asks) ask()
    const elapsed = performance.now() - startedAt
    if (elapsed >= milliseconds) return (elapsed * 1_000) / made
  }
}

type CostsOf = (engine: EngineName, size: Size) => readonly number[]

function measurementsOf(costsOf: CostsOf): readonly Measurement[] {
  const ours = (size: Size) => costsOf('causeway', size)
  const cost = (name: string, size: Size): Measurement => ({
    ...measurement(name, ours(size)),
    unit: 'us',
    detail: 'a decision with its trace; half are denials, which show up to 8 rules more',
  })
  return [
    cost('decide.us_at_100k', '100,000'),
    cost('decide.us_at_1k_one_target', '1,000 of one target'),
    {
      ...measurement('decide.growth', ratios(ours('100,000'), ours('10'))),
      unit: 'of the cost at 10 rules',
      detail: everySize.map(size => `${size}: ${microseconds(ours(size))}`).join('; '),
    },
    comparison('decide.vs_cedar_1k', 'cedar', costsOf),
    comparison('decide.vs_casbin_1k', 'casbin', costsOf),
  ]
}

/** With all rules of one target: where there are more, the others have a set for each, and look at 100 rules at the most. */
function comparison(name: string, engine: EngineName, costsOf: CostsOf): Measurement {
  const beside = (size: Size) => ratios(costsOf(engine, size), costsOf('causeway', size))
  const others = everySize.map(size => {
    return `${size}: ${microseconds(costsOf(engine, size))}, ${median(beside(size)).toFixed(0)} times ours`
  })
  return { ...measurement(name, beside('1,000 of one target')), unit: 'times as fast', detail: others.join('; ') }
}

function measurement(name: string, values: readonly number[]) {
  return { name, value: median(values), spread: spread(values) }
}

/** Of turns that were taken in the same rounds. */
function ratios(costs: readonly number[], others: readonly number[]): readonly number[] {
  return costs.map((cost, round) => cost / (others[round] ?? Number.NaN))
}

function microseconds(costs: readonly number[]): string {
  const cost = median(costs)
  return `${cost.toFixed(cost < 100 ? 1 : 0)} us`
}
