import { randomUUID } from 'node:crypto'
import { type EntityJson, preparsePolicySet, statefulIsAuthorized } from '@cedar-policy/cedar-wasm/nodejs'
import { newEnforcer, newModelFromString } from 'casbin'
import { decide } from '../../shared/rules/decide.ts'
import { compileRules, type RulePartition } from '../../shared/rules/ruleset.ts'
import { type BenchRequest, type BenchRule, documentOf, factsOf } from './decide-rules.ts'

/** The rules of each target. */
export type RulesByTarget = ReadonlyMap<string, readonly BenchRule[]>

/** One request, made ready: asking it again is all that is measured. */
export type Ask = () => boolean

/** Loads rules, and makes requests ready. Each target's rules are a set of their own, so that no other's are looked at. */
export type Engine = (rules: RulesByTarget) => Promise<(request: BenchRequest) => Ask>

/** Ours, with its trace. All targets' rules are in memory. */
export const causeway: Engine = async rules => {
  const compiled = (rules: readonly BenchRule[]) =>
    compileRules(rules.map(rule => ({ content: documentOf(rule), version: '"0"' })))
  const partitions = new Map<string, RulePartition>()
  for (const [target, own] of rules) partitions.set(target, compiled(own))
  const [none, calendars] = [compiled([]), new Map()]
  return request => {
    const facts = factsOf(request)
    return () => {
      const own = partitions.get(facts.target.id) ?? none
      return decide({ own, guardrails: none, calendars }, facts).outcome === 'allowed'
    }
  }
}

/** Cedar, with policies that were parsed before. They say `==` of whom they are about, which is its cheapest test. */
export const cedar: Engine = async rules => {
  // Sets are kept by their ids, for the whole process.
  const load = randomUUID()
  for (const [target, own] of rules) {
    const answer = preparsePolicySet(load + target, { staticPolicies: own.map(policyOf).join('\n') })
    if (answer.type === 'failure') throw new Error(answer.errors.map(({ message }) => message).join('; '))
  }
  return ({ target, issuer, namespace, serviceAccount, scope, address }) => {
    const team = { type: 'Namespace', id: `${issuer}/${namespace}` }
    const principal = { type: 'Workload', id: `${team.id}/${serviceAccount}` }
    const entities: EntityJson[] = [{ uid: principal, attrs: {}, parents: [team] }]
    const call = {
      principal,
      action: { type: 'Action', id: scope },
      resource: { type: 'Target', id: target },
      context: { address: { __extn: { fn: 'ip', arg: address } } },
      preparsedPolicySetId: load + target,
      entities,
    }
    return () => {
      const answer = statefulIsAuthorized(call)
      if (answer.type === 'failure') throw new Error(answer.errors.map(({ message }) => message).join('; '))
      return answer.response.decision === 'allow'
    }
  }
}

function policyOf({ target, effect, issuer, namespace, serviceAccount, scope, network }: BenchRule): string {
  const principal =
    serviceAccount === undefined
      ? `principal in Namespace::"${issuer}/${namespace}"`
      : `principal == Workload::"${issuer}/${namespace}/${serviceAccount}"`
  const when = network === undefined ? '' : ` when { context.address.isInRange(ip("${network}")) }`
  const keyword = effect === 'allow' ? 'permit' : 'forbid'
  return `${keyword}(${principal}, action == Action::"${scope}", resource == Target::"${target}")${when};`
}

/** The cheap comparisons that most rules fail come first; `*` stands for any. */
const casbinModel = `
[request_definition]
r = namespace, issuer, serviceAccount, target, scope, address
[policy_definition]
p = namespace, issuer, serviceAccount, target, scope, network, eft
[policy_effect]
e = some(where (p.eft == allow)) && !some(where (p.eft == deny))
[matchers]
m = r.namespace == p.namespace && r.issuer == p.issuer && (p.serviceAccount == "*" || r.serviceAccount == p.serviceAccount) && r.target == p.target && r.scope == p.scope && (p.network == "*" || ipMatch(r.address, p.network))
`

/** casbin, by its synchronous call, which is its fastest. */
export const casbin: Engine = async rules => {
  const enforcers = new Map<string, Awaited<ReturnType<typeof newEnforcer>>>()
  for (const [target, own] of rules) {
    const enforcer = await newEnforcer(newModelFromString(casbinModel))
    await enforcer.addPolicies(own.map(lineOf))
    enforcers.set(target, enforcer)
  }
  return ({ target, issuer, namespace, serviceAccount, scope, address }) => {
    const enforcer = enforcers.get(target)
    return () => enforcer?.enforceSync(namespace, issuer, serviceAccount, target, scope, address) ?? false
  }
}

function lineOf({ target, effect, issuer, namespace, serviceAccount = '*', scope, network = '*' }: BenchRule) {
  return [namespace, issuer, serviceAccount, target, scope, network, effect]
}
