import { randomUUID } from 'node:crypto'
import { audience, pods } from '../../infra/local/world.ts'
import { type Answer, post, type RunningStack } from '../running-stack.ts'

/** Callers of one gateway, each of which asks again as soon as it is answered, and gives up when its connection ends. */
export interface Load {
  /** Resolves when so many answers came, whatever they said. */
  answered(count: number): Promise<void>
  /** Resolves when every caller has lost its connection. */
  readonly ended: Promise<LoadEnd>
}

export interface LoadEnd {
  /** Requests that were under way when the connection ended: nobody was told what became of them. */
  readonly cut: number
  /** Answers 503. */
  readonly unavailable: number
}

/** The pods of one stack, and what they received from any gateway. */
export interface Callers {
  /** Every answer 200. */
  readonly received: readonly Answer[]
  start(url: string, count: number): Load
}

/** Of so many requests one is of a pod that nobody has seen, which mints, and one asks for a static secret. */
const cycle = 8
/** Pods that hold a lease and ask again. */
const keptPods = 64

export async function openCallers(stack: RunningStack): Promise<Callers> {
  const received: Answer[] = []
  const holders: Request[] = []
  const batch = request(await stack.podToken('billing/batch'), 'mainframe-ftp')
  let asked = 0

  async function next(): Promise<Request> {
    asked += 1
    const holder = holders[asked % holders.length]
    if (asked % cycle === 0 || !holder) return request(await newPod(stack), 'orders-db')
    return asked % cycle === cycle / 2 ? batch : holder
  }

  function take(answer: Answer, asked: Request): void {
    if (answer.status !== 200) return
    received.push(answer)
    // Whoever was never answered may have left a reservation behind, for which others would wait.
    if (asked.target === 'orders-db' && !holders.includes(asked)) holders.push(asked)
    if (holders.length > keptPods) holders.shift()
  }

  return { received, start: (url, count) => startLoad(count, url, { next, take }) }
}

interface Request {
  readonly target: string
  readonly form: URLSearchParams
}

interface Asking {
  readonly next: () => Promise<Request>
  readonly take: (answer: Answer, asked: Request) => void
}

function startLoad(count: number, url: string, { next, take }: Asking): Load {
  const end = { cut: 0, unavailable: 0 }
  let answers = 0
  let awaited = { count: Number.POSITIVE_INFINITY, resolve: () => {} }

  async function call(): Promise<void> {
    for (;;) {
      const asked = await next()
      const answer = await post(`${url}/token`, asked.form).catch(() => undefined)
      if (!answer) break
      take(answer, asked)
      end.unavailable += answer.status === 503 ? 1 : 0
      if (++answers >= awaited.count) awaited.resolve()
    }
    end.cut += 1
  }

  return {
    answered: count => {
      const { promise, resolve } = Promise.withResolvers<void>()
      awaited = { count, resolve }
      if (answers >= count) resolve()
      return promise
    },
    ended: Promise.all(Array.from({ length: count }, call)).then(() => end),
  }
}

async function newPod({ cluster }: RunningStack): Promise<string> {
  const [model] = pods
  if (!model) throw new TypeError('the world has pods')
  const pod = { ...model, uid: randomUUID(), name: `api-${randomUUID()}` }
  cluster.addPod(pod)
  return cluster.token({ ...pod, pod: pod.name, audiences: [audience] })
}

function request(token: string, target: string): Request {
  const form = new URLSearchParams({
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    subject_token: token,
    audience: target,
  })
  return { target, form }
}
