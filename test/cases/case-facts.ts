import { globSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { z } from 'zod'
import { duration } from '../../shared/duration.ts'
import { type Facts, type Json, postureKinds } from '../../shared/rules/facts.ts'

const text = z.string()
const textByName = z.record(text, text)
const namedObject = z.strictObject({ name: text, uid: text.exactOptional() })

const entra = z.strictObject({
  tenant: text,
  objectId: text,
  application: text,
  principal: z.enum(['application', 'user']),
  principalStated: z.boolean(),
  roles: z.array(text),
  scopes: z.array(text).exactOptional(),
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
  claims: z.record(text, z.union([text, z.number(), z.boolean(), z.array(text)])),
  token: z.strictObject({ id: text.exactOptional(), keyId: text, issuedAt: z.int(), expiresAt: z.int() }),
})

const ttl = duration({ min: 'PT1M', max: 'PT24H' })
const signal = z.strictObject({ observedAt: z.iso.datetime(), expiresAt: z.iso.datetime(), value: z.json() })

/** An instant as a case writes it, as epoch milliseconds. */
export const instant = z.iso.datetime().transform(Date.parse)

/** Facts as they stand in the record, but for durations and instants, which are in ISO 8601. Strict at every level. */
const facts: z.ZodType<Facts> = z.strictObject({
  workload,
  actor: workload.exactOptional(),
  target: z.strictObject({ id: text, labels: textByName, scopes: z.array(text), defaultTtl: ttl, maxTtl: ttl }),
  scopes: z.array(text),
  client: z.strictObject({
    address: z.union([z.ipv4(), z.ipv6()]).exactOptional(),
    provenance: z.enum(['direct', 'forwarded', 'unknown']),
    country: text.exactOptional(),
  }),
  posture: z.partialRecord(z.enum(postureKinds), z.record(text, signal)),
  time: instant,
})

const folder = join(import.meta.dirname, 'given')
const given: ReadonlyMap<string, Json> = new Map(
  globSync('*.json', { cwd: folder }).map(name => [
    basename(name, '.json'),
    z.json().parse(JSON.parse(readFileSync(join(folder, name), 'utf8'))),
  ]),
)

/** The names of facts that cases share. */
export const givenName = z.enum([...given.keys()])

/** The default facts, changed by the named ones in turn and then by a case's own; or what is wrong with them. */
export function factsFrom(names: readonly string[], own: Json): z.ZodSafeParseResult<Facts> {
  const patches = ['default', ...names].flatMap(name => given.get(name) ?? [])
  return facts.safeParse([...patches, own].reduce(patched))
}

/** JSON Merge Patch (RFC 7396): objects are merged member by member, null removes, all else replaces. */
function patched(value: Json, patch: Json): Json {
  if (!isObject(patch)) return patch
  const members = Object.entries(patch).filter(([, member]) => member !== null)
  const kept = isObject(value) ? Object.entries(value).filter(([name]) => patch[name] !== null) : []
  const before = Object.fromEntries(kept)
  const after = members.map(([name, member]) => [name, patched(before[name] ?? {}, member)])
  return { ...before, ...Object.fromEntries(after) }
}

function isObject(value: Json): value is { readonly [name: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
