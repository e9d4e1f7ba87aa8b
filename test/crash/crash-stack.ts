import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import type { Certificate } from '../../infra/local/certificate-authority.ts'
import type { Host } from '../../infra/local/host/spawn.ts'
import { asSuperuser } from '../../infra/local/postgresql/demo-database.ts'
import { audience, pods } from '../../infra/local/world.ts'
import { Secret } from '../../shared/credentials/secret.ts'
import { deriveSecret } from '../../shared/leases/derive-secret.ts'
import { type Lease, leaseDocument } from '../../shared/leases/lease.ts'
import { type Answer, lasting, post, type RunningStack, runStack } from '../running-stack.ts'
import { type PostgresqlProxy, startPostgresqlProxy } from './postgresql-proxy.ts'

/** A pod of `payments/api` that nobody has seen before, and its token. */
export interface NewPod {
  readonly uid: string
  readonly token: string
  /** The target that it asks for. */
  readonly audience: string
}

/** An answer that a client received. */
export interface Received {
  readonly pod: NewPod
  readonly answer: Answer
}

/** A stack whose gateway dies of nothing, and what tests ask of it. */
export interface CrashStack extends RunningStack {
  readonly certificate: Certificate
  readonly proxy: PostgresqlProxy
  /** Processes to end with this one, however it ends: those that are stopped would not notice. */
  readonly observed: Set<Host>
  /** Every answer 200 that any client received. */
  readonly received: readonly Received[]
  /** It asks for that target: one on PostgreSQL unless said. */
  newPod(audience?: string): Promise<NewPod>
  /** One exchange at a gateway, the stack's own unless said. Undefined where the connection ended without an answer. */
  ask(pod: NewPod, url?: string): Promise<Answer | undefined>
  /** Asks again and again, as clients do, until it is answered 200, or an exchange that began after `latest` was not. */
  askUntilIssued(pod: NewPod, latest: number): Promise<Answer | undefined>
  /** The leases of these pods, or of all. */
  leasesOf(pods?: readonly NewPod[]): Promise<readonly Lease[]>
  passwordOf(lease: Lease): string
  /** Runs the timer that ends leases: once for all who ask for it before it begins. */
  endDue(): Promise<void>
}

/** The target of every exchange here, unless said: its connections go by way of the proxy. */
const target = 'orders-crash'
/** Beyond what tests ask for at once. */
const rate = { CAUSEWAY_WORKLOAD_RATE: '100000', CAUSEWAY_ISSUER_RATE: '100000' }

export async function startCrashStack(): Promise<CrashStack> {
  const stack = await runStack({ settings: rate })
  const certificate = await stack.authority.issue()
  const proxy = await startPostgresqlProxy(stack.postgresql, certificate)
  await addTarget(stack, proxy)
  const received: Received[] = []
  const observed = new Set<Host>()
  const killAll = () => {
    for (const host of observed) host.kill('SIGKILL')
  }
  process.on('exit', killAll)

  async function newPod(asksFor = target): Promise<NewPod> {
    const [model] = pods
    if (!model) throw new TypeError('the world has pods')
    const pod = { ...model, uid: randomUUID(), name: `api-${randomUUID()}` }
    stack.cluster.addPod(pod)
    const { namespace, serviceAccount, name } = pod
    const token = await stack.cluster.token({ namespace, serviceAccount, pod: name, audiences: [audience] })
    stack.note(token)
    return { uid: pod.uid, token, audience: asksFor }
  }

  async function ask(pod: NewPod, url = stack.gateway.url): Promise<Answer | undefined> {
    const form = { grant_type: grantType, subject_token_type: jwt, subject_token: pod.token, audience: pod.audience }
    const answer = await post(`${url}/token`, new URLSearchParams(form)).catch(() => undefined)
    if (answer?.status !== 200) return answer
    received.push({ pod, answer })
    stack.note(String(answer.body['access_token']))
    return answer
  }

  async function askUntilIssued(pod: NewPod, latest: number): Promise<Answer | undefined> {
    for (;;) {
      const asked = Date.now()
      const answer = await ask(pod)
      if (answer?.status === 200 || asked > latest) return answer
      await pause(Number(answer?.headers.get('retry-after') ?? 1) * 1000)
    }
  }

  async function leasesOf(some?: readonly NewPod[]): Promise<readonly Lease[]> {
    const leases = (await stack.leases()).flatMap(
      document => leaseDocument.safeParse(withoutSystem(document)).data ?? [],
    )
    return some ? leases.filter(({ workload }) => some.some(({ uid }) => uid === workload.podUid)) : leases
  }

  function passwordOf(lease: Lease): string {
    const key = new Secret(stack.secrets['causeway-derivation-key'] ?? '')
    return deriveSecret({ ...lease, key, lease: lease.id }).reveal()
  }

  async function stop(): Promise<void> {
    killAll()
    process.off('exit', killAll)
    await proxy.stop()
    await stack.stop()
  }

  const endDue = shared(() => stack.gateway.runTimer('revoke-expired'))
  return {
    ...stack,
    observed,
    certificate,
    proxy,
    received,
    newPod,
    ask,
    askUntilIssued,
    leasesOf,
    passwordOf,
    endDue,
    stop,
  }
}

const grantType = 'urn:ietf:params:oauth:grant-type:token-exchange'
const jwt = 'urn:ietf:params:oauth:token-type:jwt'

async function addTarget(stack: RunningStack, { port }: PostgresqlProxy): Promise<void> {
  const { resource } = await stack.documents.container('targets').item('orders-db', 'orders-db').read()
  await stack.addTarget({
    id: target,
    like: 'orders-db',
    changes: { settings: { ...resource?.settings, port }, ...lasting },
    scopes: ['read'],
  })
}

/** Whoever calls while one is under way waits for the next, together with everybody else who does. */
function shared(work: () => Promise<void>): () => Promise<void> {
  let running = Promise.resolve()
  let next: Promise<void> | undefined
  return () => {
    next ??= running
      .catch(() => {})
      .then(() => {
        next = undefined
        running = work()
        return running
      })
    return next
  }
}

function withoutSystem(document: Readonly<Record<string, unknown>>) {
  return Object.fromEntries(Object.entries(document).filter(([name]) => !name.startsWith('_')))
}

/** Resolves when PostgreSQL has done all that a minter asked of it, whether that minter is alive or not. */
export async function settled(stack: RunningStack): Promise<void> {
  for (;;) {
    const busy = await asSuperuser(stack.postgresql, 'postgres', async client => {
      const { rowCount } = await client.query(
        "SELECT FROM pg_stat_activity WHERE usename = 'causeway_minter' AND state <> 'idle'",
      )
      return rowCount
    })
    if (busy === 0) return
    await pause(50)
  }
}
