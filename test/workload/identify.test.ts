import { beforeEach, describe, expect, test } from 'vitest'
import { ExchangeError } from '../../shared/errors.ts'
import { identifier } from '../../shared/workload/identify.ts'
import type { Issuer } from '../../shared/workload/issuer.ts'
import type { Workload } from '../../shared/workload/workload.ts'
import { failureOf, issuerOf } from './tokens.ts'

const apiManagement = { issuer: 'entra', subject: 'api-management' }

let issuers: Map<string, Issuer>
let verified: string[]

beforeEach(() => {
  verified = []
  issuers = new Map(
    [
      issuerOf({ id: 'legacy', kind: 'oidc', actors: [apiManagement, { issuer: 'entra', subject: 'another' }] }),
      issuerOf({ id: 'cluster' }),
      issuerOf({ id: 'entra', kind: 'entra' }),
      issuerOf({ id: 'other-entra', kind: 'entra' }),
    ].map(issuer => [issuer.id, issuer]),
  )
})

function workloadOf(issuer: Issuer, subject: string): Workload {
  const token = { keyId: 'key-1', issuedAt: 1, expiresAt: 2 }
  return { issuer: { id: issuer.id, kind: issuer.kind, labels: {} }, subject, claims: {}, token }
}

/** A token reads `<issuer> <subject>`; any other is refused, as a forged one is. */
const identify = identifier(async token => {
  verified.push(token)
  const [id = '', subject = ''] = token.split(' ')
  const issuer = issuers.get(id)
  if (!issuer) throw new ExchangeError('invalid_request', 'token_signature')
  return { workload: workloadOf(issuer, subject), issuer }
})

const asking = (subjectToken: string, actorToken?: string) => identify({ subjectToken, actorToken })

describe('where the issuer demands an actor', () => {
  test('both are told, verified by the same checks', async () => {
    const { workload, actor } = await asking('legacy erp', 'entra api-management')
    expect([workload.subject, actor?.subject]).toEqual(['erp', 'api-management'])
    expect(verified).toEqual(['legacy erp', 'entra api-management'])
    expect((await asking('legacy erp', 'entra another')).actor?.subject).toBe('another')
  })

  test.each<[string, string | undefined, string]>([
    ['nobody', undefined, 'actor_missing'],
    ['somebody else', 'entra somebody', 'actor_not_allowed'],
    ['the same name at another issuer', 'other-entra api-management', 'actor_not_allowed'],
    ['a name that only begins alike', 'entra api-management-2', 'actor_not_allowed'],
    ['the subject itself', 'legacy erp', 'actor_not_allowed'],
    ['a token that does not verify', 'forged api-management', 'token_signature'],
  ])('%s in its place is refused', async (_, actor, reason) => {
    const { code, reason: found } = await failureOf(asking('legacy erp', actor))
    expect({ code, found }).toEqual({ code: 'invalid_request', found: reason })
  })

  test('the act claim of the subject token is no actor: what it says of itself vouches for nothing', async () => {
    const issuer = issuerOf({ id: 'legacy', kind: 'oidc', actors: [apiManagement] })
    const act = { subject: 'api-management', issuerUrl: 'https://entra.example' }
    const workload = { ...workloadOf(issuer, 'erp'), act }
    const asked = identifier(async () => ({ workload, issuer }))({ subjectToken: 'legacy erp', actorToken: undefined })
    expect((await failureOf(asked)).reason).toBe('actor_missing')
  })
})

describe('where it does not', () => {
  test('an actor may be there, and is told once it is verified', async () => {
    expect(await asking('cluster api')).not.toHaveProperty('actor')
    expect((await asking('cluster api', 'entra somebody')).actor?.subject).toBe('somebody')
  })

  test('an actor that does not verify is refused all the same', async () => {
    expect((await failureOf(asking('cluster api', 'forged x'))).reason).toBe('token_signature')
  })
})

test('an actor whose own issuer demands one counts no more alone than a subject does', async () => {
  expect(await failureOf(asking('cluster api', 'legacy erp'))).toMatchObject({
    code: 'invalid_request',
    reason: 'actor_missing',
  })
})

test('a subject that does not verify is refused before its actor is looked at', async () => {
  expect((await failureOf(asking('forged erp', 'entra api-management'))).reason).toBe('token_signature')
  expect(verified).toEqual(['forged erp'])
})
