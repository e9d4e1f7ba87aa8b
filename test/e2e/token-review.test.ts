import { dirname, join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { openCertificateAuthority } from '../../infra/local/certificate-authority.ts'
import type { Pod } from '../../infra/local/cluster/inventory.ts'
import { audience, pods } from '../../infra/local/world.ts'
import { expectRefused } from '../attacks/refusal.ts'
import { type Answer, type Document, post, type RunningStack, runStack } from '../running-stack.ts'
import { until } from './until.ts'

let stack: RunningStack
/** The cluster's document, as it stands without a review, and the review that it demands here. */
let issuer: Document
let review: Document

const pod = pods.find(({ namespace }) => namespace === 'payments') as Pod
const batch = pods.find(({ namespace }) => namespace === 'billing') as Pod
const notLive = {
  status: 400,
  error: 'invalid_request',
  reason: 'token_not_live',
  recorded: 'unverified',
  told: /no longer knows the token's pod or service account/,
} as const

beforeAll(async () => {
  stack = await runStack()
  const { resource } = await stack.documents.container('issuers').item('aks-local', 'aks-local').read<Document>()
  issuer = resource ?? {}
  review = {
    apiServer: new URL(stack.cluster.issuerUrl).origin,
    credential: { vault: 'corp', secret: 'aks-local-reviewer' },
    ca: stack.authority.certificate,
  }
})
beforeEach(async () => {
  await demand(review)
  // In force once it tells that a pod is gone: neither no review nor a failing one does.
  stack.cluster.addPod(pod)
  const token = await tokenOf(pod)
  stack.cluster.removePod(pod.namespace, pod.name)
  await until(
    () => exchange(token),
    ({ status }) => status === 400,
  )
  stack.cluster.addPod(pod)
})
afterEach(async () => expect(await stack.leaks()).toEqual([]))
afterAll(() => stack?.stop())

async function demand(tokenReview: Document | undefined): Promise<void> {
  await stack.documents.container('issuers').items.upsert({ ...issuer, ...(tokenReview && { tokenReview }) })
}

/** A token that no review has been asked for yet. */
function tokenOf({ namespace, name, serviceAccount }: Pod): Promise<string> {
  return stack.cluster.token({ namespace, serviceAccount, pod: name, audiences: [audience] })
}

const exchange = (subject_token: string): Promise<Answer> =>
  stack.exchange({ audience: 'orders-db', scope: 'read', subject_token })

const answerToNew = async (): Promise<Answer> => exchange(await tokenOf(pod))

test('a pod that is there gets its login, and its record is that of any other', async () => {
  const answer = await answerToNew()
  expect(answer.status).toBe(200)
  const [record] = await stack.recordsOf(String(answer.body['decision_id']))
  expect(record).toMatchObject({ outcome: 'allowed', workload: { pod: { name: pod.name, uid: pod.uid } } })
})

test('a pod that was deleted is refused, though its token is signed and has time left', async () => {
  const token = await tokenOf(pod)
  stack.cluster.removePod(pod.namespace, pod.name)
  await expectRefused(stack, await exchange(token), notLive)
})

test('a pod that was made anew under its name is let in, and the one before it is not', async () => {
  const token = await tokenOf(pod)
  stack.cluster.addPod({ ...pod, uid: '5f0b9d6e-0002-4000-8000-0000000000ff' })
  await expectRefused(stack, await exchange(token), notLive)
  expect((await answerToNew()).status).toBe(200)
})

test('without a demand the same deleted pod is let in: it is the review that tells', async () => {
  const token = await tokenOf(pod)
  stack.cluster.removePod(pod.namespace, pod.name)
  expect((await exchange(token)).status).toBe(400)
  await demand(undefined)
  await until(
    () => exchange(token),
    ({ status }) => status === 200,
  )
})

test('a pod that was deleted ends no lease either', async () => {
  const { body } = await answerToNew()
  const token = await tokenOf(pod)
  stack.cluster.removePod(pod.namespace, pod.name)
  const form = {
    token: String(body['lease_id']),
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: token,
  }
  const answer = await post(`${stack.gateway.url}/revoke`, new URLSearchParams(form))
  await expectRefused(stack, answer, { ...notLive, error: 'invalid_client' })
  const lease = (await stack.leases()).find(({ id }) => id === body['lease_id'])
  expect(lease).toMatchObject({ state: 'active' })
})

describe('503, and never a yes, where the API server', () => {
  const unavailable = {
    status: 503,
    error: 'temporarily_unavailable',
    recorded: 'unverified',
    retryAfter: true,
  } as const

  /** Until the changed document is in force, a token is reviewed as before. */
  async function expectUnavailable(changes: Document, reason: string): Promise<void> {
    await demand({ ...review, ...changes })
    const answer = await until(answerToNew, ({ status }) => status !== 200)
    await expectRefused(stack, answer, { ...unavailable, reason })
  }

  test('cannot be reached', () => expectUnavailable({ apiServer: 'https://localhost:1' }, 'token_review_unavailable'))

  test('is known by another authority', async () => {
    const { certificate } = await openCertificateAuthority(join(dirname(stack.description.ca), 'other'))
    await expectUnavailable({ ca: certificate }, 'token_review_unavailable')
  })

  test('does not know the reviewer', async () => {
    const secret = 'no-reviewer-of-this-cluster-at-all'
    stack.note(secret)
    stack.vault.set('stranger', secret)
    await expectUnavailable({ credential: { vault: 'corp', secret: 'stranger' } }, 'token_review_unavailable')
  })

  test('cannot be asked, since there is no reviewer in the vault', () =>
    expectUnavailable({ credential: { vault: 'corp', secret: 'nobody' } }, 'secret_not_found'))

  test('says nothing of tokens', () =>
    // The tenant answers 404 to everything that it does not know.
    expectUnavailable({ apiServer: new URL(stack.tenant.issuerUrl).origin }, 'token_review_unavailable'))
})

// The last of them: the cluster's service accounts do not come back.
test('a service account that was deleted is refused with every pod of it', async () => {
  const token = await tokenOf(batch)
  expect((await exchange(await tokenOf(batch))).body['error']).toBe('invalid_target')
  stack.cluster.removeServiceAccount(batch.namespace, batch.serviceAccount)
  await expectRefused(stack, await exchange(token), notLive)
})
