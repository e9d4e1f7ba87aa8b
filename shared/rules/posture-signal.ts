import { z } from 'zod'
import { documentId, withoutSystemProperties } from '../document.ts'
import type { Workload } from '../workload/workload.ts'
import { type Json, type PostureKind, postureKinds, type Signal } from './facts.ts'

const deepest = 4
const longestValue = 512

/** Names by which a value could reach what every object has. */
const forbiddenNames = ['__proto__', 'constructor', 'prototype']

const signalValue = z
  .custom<Json>(value => isJson(value, deepest), {
    error: `expected JSON of ${deepest} levels at most, and no member called ${forbiddenNames.join(', ')}`,
    abort: true,
  })
  .refine(value => jsonBytes(value) <= longestValue, `expected ${longestValue} bytes of JSON at most`)

type NameOf = (workload: Workload) => string | undefined
const issuer: NameOf = workload => workload.issuer.id
const namespace: NameOf = workload => workload.namespace

/** The names that make up each kind's key, as a workload's token tells them. */
const namesOf: Readonly<Record<PostureKind, readonly NameOf[]>> = {
  cluster: [issuer],
  namespace: [issuer, namespace],
  node: [issuer, workload => workload.node?.name],
  serviceAccount: [issuer, namespace, workload => workload.serviceAccount?.name],
  pod: [issuer, namespace, workload => workload.pod?.name],
}

/** What a signal is about: its kind and names, each as encodeURIComponent writes it. */
const subject = z.string().refine(isSubject, 'expected a key such as pod/<issuer>/<namespace>/<name>')

/** A signal as it is stored in container `posture`. */
export const signalDocument = z.strictObject({
  schema: z.literal(1),
  /** The signal's name. */
  id: documentId,
  of: subject,
  observedAt: z.iso.datetime(),
  expiresAt: z.iso.datetime(),
  /** The very pod, node or service account that was observed, where one of the same name must not take its place. */
  uid: z.string().min(1).max(128).optional(),
  value: signalValue,
})
export type SignalDocument = z.output<typeof signalDocument>

/** The key (`of`) of signals about a workload's cluster, namespace and so on; undefined where its token does not tell. */
export function postureKey(kind: PostureKind, workload: Workload): string | undefined {
  const names = namesOf[kind].map(nameOf => nameOf(workload))
  if (!names.every(name => name !== undefined)) return undefined
  return [kind, ...names.map(name => encodeURIComponent(name))].join('/')
}

/** Those documents of one key that are signals, sorted by name. */
export function readSignals(documents: readonly object[]): readonly SignalDocument[] {
  return documents
    .flatMap(document => signalDocument.safeParse(withoutSystemProperties(document)).data ?? [])
    .toSorted((one, other) => (one.id < other.id ? -1 : 1))
}

/**
 * The most that the facts of one kind may take, in bytes of JSON: a decision's record must hold all of its facts. Each
 * kind has room of its own, so that a rule which asks for one kind cannot push out the facts of another.
 */
const room = 1_024

/** Signals, sorted by name, that mean this very workload: as many of the first ones as there is room for. */
export function signalsOf(
  kind: PostureKind,
  workload: Workload,
  signals: readonly SignalDocument[],
): Readonly<Record<string, Signal>> {
  const own = uidOf(kind, workload)
  let facts: Readonly<Record<string, Signal>> = {}
  for (const { id, uid, observedAt, expiresAt, value } of signals) {
    if (uid !== undefined && uid !== own) continue
    const more = { ...facts, [id]: { observedAt, expiresAt, value } }
    if (jsonBytes(more) > room) break
    facts = more
  }
  return facts
}

function uidOf(kind: PostureKind, workload: Workload): string | undefined {
  return kind === 'cluster' || kind === 'namespace' ? undefined : workload[kind]?.uid
}

function isSubject(text: string): boolean {
  const [kind, ...names] = text.split('/')
  return postureKinds.some(known => known === kind && namesOf[known].length === names.length) && names.every(isEncoded)
}

function isEncoded(name: string): boolean {
  try {
    return name !== '' && encodeURIComponent(decodeURIComponent(name)) === name
  } catch {
    return false
  }
}

function isJson(value: unknown, levels: number): boolean {
  if (value === null || ['string', 'number', 'boolean'].includes(typeof value)) return true
  if (typeof value !== 'object' || levels === 0) return false
  return Object.entries(value).every(([name, member]) => !forbiddenNames.includes(name) && isJson(member, levels - 1))
}

function jsonBytes(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value))
}
