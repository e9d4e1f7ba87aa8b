import { expect } from 'vitest'
import type { Answer, Document, RunningStack } from '../running-stack.ts'

/** What a refused exchange must come to: for the caller, and for the log. */
export interface Refusal {
  readonly status: number
  readonly error: string
  readonly reason: string
  /** Whether a workload was verified: then there is a record, otherwise a count with a sample of it. */
  readonly recorded: 'denied' | 'failed' | 'unverified' | 'unrecordable'
  /** `Retry-After`, in seconds; any, where only `true`. */
  readonly retryAfter?: number | true
  /** What the caller is told so that it can mend its request. */
  readonly told?: RegExp
}

/** The words that would tell a caller what lies behind the gateway. */
const details =
  /localhost|127\.0\.0\.1|corp\b|vault|cosmos|azure|postgres|causeway_|orders|mainframe|billing|quarantine|secret|rest ?error|ECONN|AKV|SQL|\bat \w+[.(/]/i

/** Asserts the whole of a refusal: the answer, that it tells nothing, the reason in the log, and that nothing left. */
export async function expectRefused(stack: RunningStack, answer: Answer, refusal: Refusal): Promise<void> {
  expectTold(answer, refusal)
  await expectLogged(stack, String(answer.body['decision_id']), refusal)
  await expectAccountedFor(stack)
}

function expectTold({ status, headers, body, text }: Answer, { error, retryAfter, told, ...refusal }: Refusal): void {
  expect({ status, error: body['error'] }).toEqual({ status: refusal.status, error })
  expect(body['decision_id']).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/)
  expect(['error', 'error_description', 'decision_id']).toEqual(expect.arrayContaining(Object.keys(body)))
  expect(headers.get('content-type')).toBe('application/json')
  expect(headers.get('cache-control')).toBe('no-store')
  if (retryAfter === undefined) expect(headers.get('retry-after')).toBeNull()
  if (retryAfter === true) expect(headers.get('retry-after')).toMatch(/^[1-9]\d*$/)
  if (typeof retryAfter === 'number') expect(headers.get('retry-after')).toBe(String(retryAfter))
  if (told) expect(body['error_description']).toMatch(told)
  // The gateway's own audience and names of grants are the caller's business, and so is what its token was made for.
  const known = /api:\/\/causeway|urn:[a-z0-9:._-]+|Azure Workload Identity|from a Secret/g
  expect(text.replaceAll(known, '')).not.toMatch(details)
}

async function expectLogged(stack: RunningStack, decision: string, refusal: Refusal): Promise<void> {
  const { error: code, reason, recorded } = refusal
  const records = await stack.recordsOf(decision)
  if (recorded === 'unverified') {
    expect(records).toEqual([])
    const { count, sample } = await stack.countOf(decision)
    expect(count).toMatchObject({ kind: 'count', outcome: 'refused', reason })
    expect(sample).toMatchObject({ decision, code })
    return
  }
  if (recorded === 'unrecordable') {
    expect(records).toEqual([])
    expect(await stack.linesOf(decision)).toEqual([expect.objectContaining({ level: 'warn', code, reason })])
    return
  }
  const last = records.at(-1)
  expect(last).toMatchObject({ kind: 'exchange', outcome: recorded, code, reason })
  const [first] = records
  // Permitted, and then it could not be made: the failure names the permission.
  if (records.length === 2) {
    expect(first).toMatchObject({ outcome: 'allowed' })
    expect(last?.['follows']).toEqual({ stream: first?.['stream'], id: first?.['id'] })
  } else {
    expect(records).toHaveLength(1)
  }
}

/** No account without a lease that will end it, nor without the record that permitted it. */
export async function expectAccountedFor(stack: RunningStack): Promise<void> {
  const accounts = await stack.accounts()
  const [leases, records] = [await stack.leases(), await stack.records()]
  const held = leases.filter(({ state }) => state !== 'revoked').map(({ account }) => account)
  const allowed = records.filter(({ outcome }) => outcome === 'allowed').map(accountIn)
  for (const account of accounts) {
    expect(held).toContain(account)
    expect(allowed).toContain(account)
  }
  const active = leases.filter(({ state }) => state === 'active').map(({ account }) => account)
  for (const account of active) expect(allowed).toContain(account)
}

function accountIn({ credential }: Document): unknown {
  return (credential as Document | undefined)?.['account']
}
