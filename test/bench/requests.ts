import { randomUUID } from 'node:crypto'
import type { Surroundings } from '../../infra/local/surroundings.ts'
import { audience, pods } from '../../infra/local/world.ts'

/** The form of an exchange, ready to be sent. */
export type Form = string

/** What a pod of the world may have: `mainframe-ftp` is a static secret, `orders-db` a leased login. */
type Allowed =
  | { readonly serviceAccount: 'billing/batch'; readonly target: 'mainframe-ftp' }
  | { readonly serviceAccount: 'payments/api'; readonly target: 'orders-db' }

/** The exchange of the world's pod that may have a static secret, or a lease: always the same one. */
export async function exchangeOf({ cluster }: Surroundings, { serviceAccount, target }: Allowed): Promise<Form> {
  const pod = podOf(serviceAccount)
  return form(await cluster.token({ ...pod, pod: pod.name, audiences: [audience] }), target)
}

/** Adds pods of `payments/api` to the cluster. Each has its own lease of `orders-db`, so each exchange is a mint. */
export async function exchangesOfNewPods({ cluster }: Surroundings, count: number): Promise<readonly Form[]> {
  const like = podOf('payments/api')
  return Promise.all(
    Array.from({ length: count }, async () => {
      const uid = randomUUID()
      const pod = { ...like, name: `api-bench-${uid}`, uid }
      cluster.addPod(pod)
      return form(await cluster.token({ ...pod, pod: pod.name, audiences: [audience] }), 'orders-db')
    }),
  )
}

function podOf(account: string) {
  const found = pods.find(({ namespace, serviceAccount }) => `${namespace}/${serviceAccount}` === account)
  if (!found) throw new TypeError(`the world has no pod of ${account}`)
  return found
}

function form(subjectToken: string, target: string): Form {
  return new URLSearchParams({
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    subject_token: subjectToken,
    audience: target,
  }).toString()
}
