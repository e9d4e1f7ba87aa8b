import { format, inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { Secret } from '../../shared/credentials/secret.ts'
import { describeCause, ExchangeError } from '../../shared/errors.ts'

const text = 'hunter2'
const secret = new Secret(text)
const holder = { credential: { password: secret }, list: [secret], map: new Map([['a', secret]]) }

test('only reveal tells the text of a secret', () => {
  expect(secret.reveal()).toBe(text)
})

describe('a secret is not told by', () => {
  test.each<[string, () => unknown]>([
    ['JSON', () => JSON.stringify(holder)],
    ['inspect', () => inspect(holder, { depth: 9, showHidden: true, getters: true })],
    ['inspect without its own custom text', () => inspect(secret, { customInspect: false, showHidden: true })],
    ['a template', () => `${secret}`],
    ['adding it to text', () => `password=${String(secret)}`],
    ['format', () => format('%s %o %O %j', secret, secret, secret, secret)],
    ['its keys and members', () => JSON.stringify([Object.entries(secret), Reflect.ownKeys(secret)])],
    ['spreading it', () => JSON.stringify({ ...secret })],
    ['copying it', () => inspect(structuredClone({ plain: 1, ...secret }))],
    ['an error that has it as its cause', () => inspect(new Error('failed', { cause: holder }))],
    ['an error whose message was made of it', () => new Error(`cannot use ${secret}`).message],
    [
      'what the log holds of an error',
      () => JSON.stringify(describeCause(new ExchangeError('server_error', 'internal', { cause: secret }))),
    ],
    ['what the log holds of a secret that was thrown', () => JSON.stringify(describeCause(secret))],
  ])('%s', (_, tell) => {
    expect(String(tell())).not.toContain(text)
  })

  test('structuredClone, as a worker or a message would copy it', () => {
    expect(inspect(structuredClone(secret), { customInspect: false })).not.toContain(text)
  })
})

test('a foreign error is logged by its name, code and status, never by its text', () => {
  const foreign = Object.assign(new Error('https://vault.corp.example?sig=hunter2'), {
    code: 'ECONNREFUSED',
    statusCode: 503,
    request: { headers: { authorization: 'Bearer hunter2' } },
  })
  expect(describeCause(foreign)).toEqual({ error: 'Error', code: 'ECONNREFUSED', status: 503 })
  expect(describeCause('hunter2')).toEqual({ error: 'unknown' })
  expect(describeCause({ message: 'hunter2' })).toEqual({ error: 'unknown' })
})
