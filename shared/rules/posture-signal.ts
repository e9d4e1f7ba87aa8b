import { z } from 'zod'
import { documentId, withoutSystemProperties } from '../document.ts'
import type { Workload } from '../workload/workload.ts'
import { type Json, type Posture, type PostureKind, postureKinds, type Signal } from './facts.ts'

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

/** The signal that a document holds; undefined where it is none. When Cosmos DB may remove it is no part of it. */
export function readSignal(document: object | undefined): SignalDocument | undefined {
  if (!document) return undefined
  const { ttl: _ttl, ...signal } = withoutSystemProperties(document)
  return signalDocument.safeParse(signal).data
}

/** A signal that was asked for, and what it is about. */
export interface ObservedSignal {
  readonly of: PostureKind
  readonly document: SignalDocument
}

/** The most that signals may take, in bytes of JSON: a decision's record must hold all of its facts. */
const room = 6_144

/** Those signals that mean this very workload: as many of the first ones as there is room for. */
export function postureOf(observed: readonly ObservedSignal[], workload: Workload): Posture {
  const posture: Partial<Record<PostureKind, Record<string, Signal>>> = {}
  let left = room
  for (const { of, document } of observed) {
    const { id, uid, observedAt, expiresAt, value } = document
    if (uid !== undefined && uid !== uidOf(of, workload)) continue
    const signal = { observedAt, expiresAt, value }
    left -= jsonBytes([of, id, signal])
    if (left < 0) break
    posture[of] = { ...posture[of], [id]: signal }
  }
  return posture
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
