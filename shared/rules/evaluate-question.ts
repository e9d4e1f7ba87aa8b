import { z } from 'zod'
import { documentId, type Problem, problemOfStructure, problemsIn, scopeName } from '../document.ts'
import type { Callers } from '../workload/identify.ts'
import type { Workload, WorkloadIssuer } from '../workload/workload.ts'
import type { EvaluateSources } from './evaluate.ts'
import type { Client, Facts, Posture, TargetFacts } from './facts.ts'
import { factsDocument, instant } from './facts-document.ts'

/** A request that nobody made, as far as it was described. */
export interface Asked {
  readonly callers: Callers
  readonly target: string
  /** Where the facts say what the target is, and not the stored document. */
  readonly targetFacts?: TargetFacts
  /** None: the target's default ones. */
  readonly scopes: readonly string[]
  readonly client: Client
  readonly posture?: Posture
  readonly time: number
  readonly notes: readonly string[]
}

const name = z.string().min(1).max(253)
const scopes = z.array(scopeName).max(32).default([])
const address = z.union([z.ipv4(), z.ipv6()])

/** The facts in short: whoever asks, of an issuer that is registered. */
const formDocument = z.strictObject({
  issuer: documentId,
  namespace: name.optional(),
  serviceAccount: name.optional(),
  pod: name.optional(),
  node: name.optional(),
  /** That of a service account follows from its names. */
  subject: z.string().min(1).max(512).optional(),
  claims: z
    .record(name, z.union([z.string().max(256), z.number(), z.boolean(), z.array(z.string().max(256)).max(32)]))
    .default({}),
  target: documentId,
  scopes,
  clientAddress: address.optional(),
  time: instant.optional(),
})

/** A token that somebody pasted: it is verified, and not kept. */
const tokenDocument = z.strictObject({
  token: z.string().min(1).max(16_384),
  actorToken: z.string().min(1).max(16_384).optional(),
  target: documentId,
  scopes,
  clientAddress: address.optional(),
  time: instant.optional(),
})

/** The target that a pasted token is tried on; undefined where none was pasted. */
export function targetOfToken(body: unknown): string | undefined {
  return problemOfStructure(body) ? undefined : tokenDocument.safeParse(body).data?.target
}

type Parsed = { readonly asked: Asked } | { readonly problems: readonly Problem[] }

/** Reads the body of a question: a token, facts in full, or facts in short. Never tells a token again. */
export async function parseQuestion(body: unknown, sources: EvaluateSources): Promise<Parsed> {
  const structure = problemOfStructure(body)
  if (structure) return { problems: [structure] }
  if (hasMember(body, 'token')) return aboutToken(body, sources)
  const parsed = z.strictObject({ facts: z.unknown() }).safeParse(body)
  if (!parsed.success) return { problems: problemsIn(parsed.error) }
  const { facts } = parsed.data
  return hasMember(facts, 'workload') ? aboutFacts(facts) : aboutForm(facts, sources)
}

async function aboutToken(body: unknown, { callersOf, clientAt, now }: EvaluateSources): Promise<Parsed> {
  const parsed = tokenDocument.safeParse(body)
  if (!parsed.success) return { problems: problemsIn(parsed.error) }
  const { token, actorToken, target, scopes, clientAddress, time = now() } = parsed.data
  const { notes, ...callers } = await callersOf(token, actorToken)
  return { asked: { callers, target, scopes, client: clientAt(clientAddress), time, notes } }
}

function aboutFacts(document: unknown): Parsed {
  const parsed = factsDocument.safeParse(document)
  if (!parsed.success) return { problems: within('facts', problemsIn(parsed.error)) }
  const { workload, actor, target, posture, ...others } = parsed.data
  const callers = { workload, ...(actor && { actor }) }
  const notes = ['the workload, the target and the time are as the facts say: nobody verified them']
  return { asked: { callers, target: target.id, targetFacts: target, ...(posture && { posture }), ...others, notes } }
}

async function aboutForm(document: unknown, { issuerOf, clientAt, now }: EvaluateSources): Promise<Parsed> {
  const parsed = formDocument.safeParse(document)
  if (!parsed.success) return { problems: within('facts', problemsIn(parsed.error)) }
  const { target, scopes, clientAddress, time = now(), ...who } = parsed.data
  const issuer = await issuerOf(who.issuer)
  if (!issuer) return { problems: [{ path: ['facts', 'issuer'], detail: `there is no issuer "${who.issuer}"` }] }
  const workload = workloadOf(who, issuer, time)
  const notes = ['uids and the key of the token are not told by the form: what tests them is not met']
  return { asked: { callers: { workload }, target, scopes, client: clientAt(clientAddress), time, notes } }
}

type Described = Omit<z.output<typeof formDocument>, 'target' | 'scopes' | 'clientAddress' | 'time'>

function workloadOf(
  { namespace, serviceAccount, pod, node, subject, claims }: Described,
  issuer: WorkloadIssuer,
  time: Facts['time'],
): Workload {
  const seconds = Math.floor(time / 1000)
  return {
    issuer,
    subject: subject ?? `system:serviceaccount:${namespace ?? ''}:${serviceAccount ?? ''}`,
    ...(namespace !== undefined && { namespace }),
    ...(serviceAccount !== undefined && { serviceAccount: { name: serviceAccount } }),
    ...(pod !== undefined && { pod: { name: pod } }),
    ...(node !== undefined && { node: { name: node } }),
    claims,
    token: { keyId: 'none', issuedAt: seconds, expiresAt: seconds + 3_600 },
  }
}

function within(member: string, problems: readonly Problem[]): readonly Problem[] {
  return problems.map(({ path, detail }) => ({ path: [member, ...path], detail }))
}

function hasMember(value: unknown, name: string): boolean {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name)
}
