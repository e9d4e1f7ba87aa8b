import { expect, test } from 'vitest'
import { decisionIds } from '../../functions/decision-ids.ts'

const form = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

test('no two decisions have one id, however many there are in a millisecond', () => {
  const next = decisionIds()
  const ids = Array.from({ length: 2_000 }, next)
  expect(new Set(ids).size).toBe(ids.length)
  for (const id of ids) expect(id).toMatch(form)
})

test('two sources of ids have none in common', () => {
  const [one, other] = [decisionIds(), decisionIds()]
  const ids = Array.from({ length: 600 }, () => [one(), other()]).flat()
  expect(new Set(ids).size).toBe(ids.length)
})

test('an id tells when its decision was asked for', () => {
  const before = Date.now()
  const at = Number.parseInt(decisionIds()().replaceAll('-', '').slice(0, 12), 16)
  expect(at).toBeGreaterThanOrEqual(before)
  expect(at).toBeLessThanOrEqual(Date.now())
})
