import { expect, test } from 'vitest'
import { endDue } from '../../functions/timers/revoke-expired.ts'
import type { RevocationRun } from '../../shared/leases/revoke-due.ts'

const nothing: RevocationRun = { run: 'run-1', revoked: 0, failed: 0, unreadable: [] }

/** What a run of that outcome says, where so many leases are overdue after it. */
function said(run: RevocationRun, overdue: number | undefined) {
  return endDue({ revokeDue: async () => run, observeLeases: async () => overdue })
}

test('what is left is counted in a time of its own, however long the run took', async () => {
  const times: AbortSignal[] = []
  const note = (signal: AbortSignal) => void times.push(signal)
  const line = await endDue({
    async revokeDue(signal) {
      note(signal)
      return nothing
    },
    async observeLeases(signal) {
      note(signal)
      return 2_385
    },
  })
  expect(new Set(times).size).toBe(2)
  expect(line).toMatchObject({ level: 'warn', left: 2_385 })
})

test('a run with nothing to do and nothing left says nothing', async () => {
  expect(await said(nothing, 0)).toBe(undefined)
  expect(await said(nothing, undefined)).toBe(undefined)
})

test('a run that did something says what, at info', async () => {
  expect(await said({ ...nothing, revoked: 2 }, 0)).toEqual({
    ...{ level: 'info', timer: 'revoke-expired', run: 'run-1', revoked: 2, failed: 0, unreadable: [], left: 0 },
  })
})

test('a lease that cannot be read is an error, and so are lockdowns that could be too old', async () => {
  expect(await said({ ...nothing, unreadable: ['torn'] }, 0)).toMatchObject({ level: 'error' })
  expect(await said({ ...nothing, lockdownProblem: 'snapshot_stale' }, 0)).toMatchObject({ level: 'error' })
})
