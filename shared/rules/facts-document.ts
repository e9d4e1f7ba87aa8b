import { z } from 'zod'
import { duration } from '../duration.ts'
import { type Facts, postureKinds } from './facts.ts'

const text = z.string().max(2_048)
const texts = z.array(text).max(64)
const textByName = z.record(text, text)
const namedObject = z.strictObject({ name: text, uid: text.exactOptional() })

const entra = z.strictObject({
  tenant: text,
  objectId: text,
  application: text,
  principal: z.enum(['application', 'user']),
  principalStated: z.boolean(),
  roles: texts,
  scopes: texts.exactOptional(),
  managedIdentity: text.exactOptional(),
})

const workload = z.strictObject({
  issuer: z.strictObject({
    id: text,
    kind: z.enum(['aks', 'arc', 'kubernetes', 'entra', 'oidc']),
    labels: textByName,
    region: text.exactOptional(),
  }),
  subject: text,
  namespace: text.exactOptional(),
  serviceAccount: namedObject.exactOptional(),
  pod: namedObject.exactOptional(),
  node: namedObject.exactOptional(),
  entra: entra.exactOptional(),
  act: z.strictObject({ subject: text, issuerUrl: text.exactOptional() }).exactOptional(),
  claims: z.record(text, z.union([text, z.number(), z.boolean(), texts])),
  claimsBeyondBounds: texts.exactOptional(),
  token: z.strictObject({ id: text.exactOptional(), keyId: text, issuedAt: z.int(), expiresAt: z.int() }),
})

const client = z.strictObject({
  address: z.union([z.ipv4(), z.ipv6()]).exactOptional(),
  provenance: z.enum(['direct', 'forwarded', 'unknown']),
  country: text.exactOptional(),
})

/** Milliseconds, as records have them, or an ISO 8601 duration, as people write it. */
const length = z.union([z.int().min(0), duration({ min: 'PT1M', max: 'PT24H' })])
/** Epoch milliseconds, or an ISO 8601 instant. */
export const instant = z.union([z.int().min(0).max(8.64e15), z.iso.datetime({ offset: true }).transform(Date.parse)])

const signal = z.strictObject({ observedAt: z.iso.datetime(), expiresAt: z.iso.datetime(), value: z.json() })

const others = {
  target: z.strictObject({ id: text, labels: textByName, scopes: texts, defaultTtl: length, maxTtl: length }),
  scopes: texts,
  posture: z.partialRecord(z.enum(postureKinds), z.record(text, signal)).exactOptional(),
  time: instant,
}

/** Facts, whole, as people write them and as records have them. Strict at every level. */
export const factsDocument: z.ZodType<Facts> = z.strictObject({
  workload,
  actor: workload.exactOptional(),
  client,
  ...others,
})

/** The record of an exchange, as far as it can be judged again. */
export const recordedExchange = z.object({
  decision: z.string(),
  outcome: z.enum(['allowed', 'denied', 'failed']),
  reason: z.string().exactOptional(),
  at: z.iso.datetime(),
  workload,
  actor: workload.exactOptional(),
  client,
  facts: z.strictObject(others).exactOptional(),
})
