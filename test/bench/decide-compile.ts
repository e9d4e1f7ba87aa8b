import { compileRules } from '../../shared/rules/ruleset.ts'
import type { Context, Measurement, Part } from './part.ts'
import { median, spread } from './statistics.ts'

const count = 1_000

/** What it costs to read and compile a target's rules, beside `JSON.parse` of their text, in this process, in turns. */
export const compileCost: Part = {
  names: ['compile.vs_json_parse'],
  async run(context) {
    return [measure(context)]
  },
}

function measure({ plan, progress }: Context): Measurement {
  const text = JSON.stringify(Array.from({ length: count }, (_, index) => documentAt(index)))
  const { unreadable, rules } = load(text)
  if (unreadable.length > 0 || rules.length < count) throw new Error(`unreadable: ${JSON.stringify(unreadable[0])}`)
  const costs = { load: [] as number[], parse: [] as number[] }
  for (let round = 0; round <= plan.rounds; round++) {
    const budget = plan.seconds * 100
    const parse = costOf(() => JSON.parse(text), budget)
    const whole = costOf(() => load(text), budget * 3)
    // The first round warms both up.
    if (round === 0) continue
    costs.parse.push(parse)
    costs.load.push(whole)
    progress(`compile: round ${round} of ${plan.rounds}`)
  }
  const ratios = costs.load.map((cost, round) => cost / (costs.parse[round] ?? Number.NaN))
  return {
    name: 'compile.vs_json_parse',
    value: median(ratios),
    unit: "of JSON.parse's cost",
    spread: spread(ratios),
    detail: `${median(costs.load).toFixed(1)} ms for ${count} rules of one target; JSON.parse of their ${Math.round(text.length / 1_024)} KiB ${median(costs.parse).toFixed(2)} ms`,
  }
}

/** As a target's rules are loaded when it is first asked for. */
function load(text: string) {
  const documents: readonly unknown[] = JSON.parse(text)
  return compileRules(documents.map(content => ({ content, version: '"0"' })))
}

/** Milliseconds for one time: the median of as many as fit into the budget, three at least. */
function costOf(work: () => unknown, budget: number): number {
  const costs: number[] = []
  const startedAt = performance.now()
  while (costs.length < 3 || performance.now() - startedAt < budget) {
    const begun = performance.now()
    work()
    costs.push(performance.now() - begun)
  }
  return median(costs)
}

/** Rules as teams write them: a third look at the network, a third at the clock, one in twenty has an expression. */
function documentAt(index: number): object {
  return {
    schema: 1,
    id: `team-${index}-reads-orders`,
    target: 'orders-db',
    effect: 'allow',
    workloads: [{ issuer: `aks-prod-${index % 7}`, namespace: `team-${index}`, serviceAccount: 'api' }],
    scopes: index % 2 === 0 ? ['read'] : ['read', 'write'],
    conditions: conditionsAt(index),
    grant: { ttl: 'PT15M' },
    description: `The orders page of team ${index}. Asked for by its owner, see ticket ${10_000 + index}.`,
  }
}

function conditionsAt(index: number): object {
  const expression = index % 20 === 0 && { expression: "workload.pod.name.startsWith('api-')" }
  if (index % 3 === 0) return { ...expression, network: { in: ['10.0.0.0/8'] } }
  if (index % 3 === 1) return { ...expression, time: [workingHours] }
  return { ...expression }
}

const workingHours = {
  days: ['mon', 'tue', 'wed', 'thu', 'fri'],
  from: '07:00',
  to: '19:00',
  timeZone: 'Europe/Berlin',
}
