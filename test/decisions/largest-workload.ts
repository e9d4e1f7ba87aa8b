import fc from 'fast-check'
import type { Posture } from '../../shared/rules/facts.ts'
import type { Workload } from '../../shared/workload/workload.ts'

/** JSON writes it as six bytes. */
const dear = '\u0001'

/** As much as a token and the document of its issuer may say of a workload, in the dearest characters. */
export const largestWorkload: Workload = {
  issuer: { id: 'i'.repeat(63), kind: 'oidc', labels: largestLabels(), region: 'r'.repeat(64) },
  subject: dear.repeat(512),
  act: { subject: dear.repeat(512), issuerUrl: dear.repeat(512) },
  claims: { a: dear.repeat(256), b: dear.repeat(256), c: dear.repeat(160) },
  claimsBeyondBounds: Array.from({ length: 32 }, () => dear.repeat(128)),
  token: { id: dear.repeat(256), keyId: dear.repeat(256), issuedAt: 1_800_000_000, expiresAt: 1_800_003_600 },
}

/** As much as signals may take of the facts. */
export const largestPosture: Posture = { cluster: { one: signalOf(512), two: signalOf(400) } }

function signalOf(length: number) {
  return { observedAt: '2026-06-01T11:00:00Z', expiresAt: '2026-06-02T11:00:00Z', value: dear.repeat(length) }
}

function largestLabels(): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Array.from({ length: 16 }, (_, index) => [`${'l'.repeat(61)}${10 + index}`, dear.repeat(128)]),
  )
}

const character = fc.constantFrom(dear, '"', '€', 'x')

/** Text of that length at most, which it often has. */
function text(max: number): fc.Arbitrary<string> {
  const length = fc.oneof(fc.constant(max), fc.integer({ min: 1, max }))
  return fc.tuple(character, length).map(([one, times]) => one.repeat(times))
}

function list(item: fc.Arbitrary<string>, max: number): fc.Arbitrary<readonly string[]> {
  const length = fc.oneof(fc.constant(max), fc.nat(max))
  return length.chain(many => fc.array(item, { minLength: many, maxLength: many }))
}

const name = fc.constantFrom('a', 'a'.repeat(253))
const uid = fc.constantFrom('u', '"'.repeat(128))
const named = fc.record({ name, uid })

const entra = fc.record(
  {
    tenant: fc.uuid(),
    objectId: fc.uuid(),
    application: text(64),
    principal: fc.constantFrom('application', 'user'),
    principalStated: fc.boolean(),
    roles: list(text(128), 64),
    scopes: list(text(63), 32),
    managedIdentity: text(512),
  },
  { requiredKeys: ['tenant', 'objectId', 'application', 'principal', 'principalStated', 'roles'] },
)

const ofKubernetes = fc.record({
  namespace: fc.constantFrom('n', 'n'.repeat(63)),
  serviceAccount: named,
  pod: named,
  node: named,
})

/** Any workload within the bounds of what a token may say, and of its issuer's document. */
export const anyWorkload: fc.Arbitrary<Workload> = fc
  .record({
    labels: fc.constantFrom({}, { environment: 'prod' }, largestLabels()),
    subject: text(512),
    identity: fc.oneof(fc.constant({}), ofKubernetes, fc.record({ entra })),
    act: fc.option(fc.record({ subject: text(512), issuerUrl: text(512) }), { nil: undefined }),
    claims: fc.constantFrom({}, { team: 'payments' }, largestWorkload.claims),
    beyond: fc.option(list(text(128), 32), { nil: undefined }),
    token: fc.record({ id: text(256), keyId: text(256), issuedAt: fc.nat(), expiresAt: fc.nat() }),
  })
  .map(({ labels, identity, act, beyond, ...others }) => ({
    issuer: { ...largestWorkload.issuer, labels },
    ...others,
    ...identity,
    ...(act && { act }),
    ...(beyond && { claimsBeyondBounds: beyond }),
  }))
