import type { Facts } from '../../shared/rules/facts.ts'
import type { Workload } from '../../shared/workload/workload.ts'

/** A rule of the benchmark: what each of the compared engines is told in its own language. */
export interface BenchRule {
  readonly id: string
  readonly target: string
  readonly effect: 'allow' | 'deny'
  readonly issuer: string
  readonly namespace: string
  /** Absent: every service account of the namespace. */
  readonly serviceAccount?: string
  readonly scope: string
  /** The network that the client must be in. */
  readonly network?: string
}

/** A request, and what every engine must answer. */
export interface BenchRequest {
  readonly target: string
  readonly issuer: string
  readonly namespace: string
  readonly serviceAccount: string
  readonly scope: string
  readonly address: string
  readonly isAllowed: boolean
}

const inside = '10.1.2.3'
const outside = '192.0.2.7'

/** The rules of one target, in tens: three look at the network, and the last denies what the first allows. */
export function rulesOf(target: string, count: number): readonly BenchRule[] {
  return Array.from({ length: count }, (_, index) => {
    const kind = index % 10
    const isDeny = kind === 9
    const team = isDeny ? index - 9 : index
    return {
      id: `rule-${index}`,
      target,
      effect: isDeny ? 'deny' : 'allow',
      issuer: `aks-${team % 7}`,
      namespace: `team-${team}`,
      ...(kind !== 5 && { serviceAccount: 'api' }),
      scope: team % 2 === 0 ? 'read' : 'write',
      ...([1, 4, 7].includes(kind) && { network: '10.0.0.0/8' }),
    }
  })
}

/** Eight requests about one ten of a target's rules: half are allowed, and the others denied each for another reason. */
export function requestsOf(target: string, ten: number): readonly BenchRequest[] {
  const ask = (kind: number, isAllowed: boolean, others: Partial<BenchRequest> = {}): BenchRequest => {
    const team = ten * 10 + kind
    const scope = team % 2 === 0 ? 'read' : 'write'
    const who = { issuer: `aks-${team % 7}`, namespace: `team-${team}`, serviceAccount: 'api' }
    return { target, ...who, scope, address: inside, isAllowed, ...others }
  }
  return [
    ask(1, true),
    ask(2, true),
    ask(4, true),
    ask(5, true, { serviceAccount: 'batch', address: outside }),
    ask(0, false),
    ask(6, false, { scope: 'write' }),
    ask(7, false, { address: outside }),
    ask(8, false, { namespace: 'nobody' }),
  ]
}

/** A rule as it is stored here. */
export function documentOf({ id, target, effect, scope, network, ...selector }: BenchRule): Record<string, unknown> {
  const { issuer, namespace, serviceAccount } = selector
  return {
    schema: 1,
    id,
    target,
    effect,
    workloads: [{ issuer, namespace, ...(serviceAccount && { serviceAccount }) }],
    scopes: [scope],
    ...(network && { conditions: { network: { in: [network] } } }),
  }
}

const minute = 60_000

/** A request as the route judges it: of a pod, for a scope of a target that has two. */
export function factsOf({ target, issuer, namespace, serviceAccount, scope, address }: BenchRequest): Facts {
  const labels = { environment: 'prod' }
  const workload: Workload = {
    issuer: { id: issuer, kind: 'aks', labels },
    subject: `system:serviceaccount:${namespace}:${serviceAccount}`,
    namespace,
    serviceAccount: { name: serviceAccount, uid: '6b7c8d9e-0000-4000-8000-000000000001' },
    pod: { name: `${serviceAccount}-7d9c6b5f4-x2x7k`, uid: '6b7c8d9e-0000-4000-8000-000000000002' },
    node: { name: 'aks-pool1-31415926-vmss000000' },
    claims: {},
    token: { keyId: 'key-1', issuedAt: 1_800_000_000, expiresAt: 1_800_003_600 },
  }
  return {
    workload,
    target: { id: target, labels, scopes: ['read', 'write'], defaultTtl: 15 * minute, maxTtl: 60 * minute },
    scopes: [scope],
    client: { address, provenance: 'direct' },
    time: 1_800_000_000_000,
  }
}
