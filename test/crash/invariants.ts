import type { Lease } from '../../shared/leases/lease.ts'
import { type Issued, logIn } from '../running-stack.ts'
import type { CrashStack, NewPod, Received } from './crash-stack.ts'

/**
 * What must never be, once the timer has run after every `mintUntil` has passed, of some pods or all: each line says
 * what is wrong. Logs in with the password of every lease that there was, and with every one that a client received.
 */
export async function findWrongs(stack: CrashStack, pods?: readonly NewPod[]): Promise<readonly string[]> {
  const leases = await stack.leasesOf(pods)
  const accounts = await stack.accounts()
  const received = stack.received.filter(({ pod }) => pods?.includes(pod) ?? true)
  return [
    ...(pods ? [] : strays(leases, accounts)),
    ...forgotten(leases),
    ...doubled(leases),
    ...(await mapInTurns(leases, lease => wrongAccount(stack, lease, accounts))),
    ...(await mapInTurns(received, one => wrongRelease(stack, one, leases))),
  ].filter(wrong => wrong !== undefined)
}

/** What may not be at any time, whoever is at work: an account that no lease will end. */
export async function findStrays(stack: CrashStack): Promise<readonly string[]> {
  // Accounts first: a lease is there before its account.
  const accounts = await stack.accounts()
  return strays(await stack.leasesOf(), accounts)
}

function strays(leases: readonly Lease[], accounts: readonly string[]): readonly string[] {
  const known = new Set(leases.filter(({ state }) => state !== 'revoked').map(({ account }) => account))
  return accounts.filter(account => !known.has(account)).map(account => `${account} has no lease that will end`)
}

function forgotten(leases: readonly Lease[]): readonly string[] {
  const due = ({ state, dueAt, expiresAt }: Lease) => state === 'revoked' || Date.parse(dueAt) <= Date.parse(expiresAt)
  return leases.filter(lease => !due(lease)).map(({ id }) => `${id} is looked at by nobody when it expires`)
}

function doubled(leases: readonly Lease[]): readonly string[] {
  const slots = leases.filter(({ state }) => state === 'active').map(({ slot }) => slot)
  return slots.filter((slot, at) => slots.indexOf(slot) < at).map(slot => `${slot} has two active leases`)
}

async function wrongAccount(stack: CrashStack, lease: Lease, accounts: readonly string[]): Promise<string | undefined> {
  const { id, account, state } = lease
  if (accounts.includes(account) !== (state === 'active')) return `the account of ${id}, ${state}, is there or is not`
  const works = await isUsable(stack, account, stack.passwordOf(lease))
  return works === (state === 'active') ? undefined : `the password of ${id}, ${state}, works or does not`
}

async function wrongRelease(stack: CrashStack, { answer }: Received, leases: readonly Lease[]) {
  const { lease_id, decision_id, credential } = answer.body as unknown as Issued
  const lease = leases.find(({ id }) => id === lease_id)
  if (!lease) return `${lease_id} was released and is no lease`
  const records = await stack.recordsOf(decision_id)
  const allowed = records.some(({ outcome, credential: named }) => outcome === 'allowed' && isAbout(named, lease))
  if (!allowed) return `${lease_id} was released by ${decision_id}, which no record allows`
  const works = await isUsable(stack, String(credential['username']), String(credential['password']))
  return works === (lease.state === 'active') ? undefined : `what was released of ${lease_id}, ${lease.state}, is wrong`
}

function isAbout(reference: unknown, { id, account }: Lease): boolean {
  const { lease, account: name } = (reference ?? {}) as Partial<Record<string, unknown>>
  return lease === id && name === account
}

/** Whether somebody can log in. Past the proxy, with nothing but name and password. */
async function isUsable({ postgresql, authority }: CrashStack, username: string, password: string): Promise<boolean> {
  const { host, port } = postgresql
  const credential = {
    username,
    password,
    host,
    port,
    database: 'orders',
    uri: '',
    caCertificate: authority.certificate,
  }
  try {
    await (await logIn({ credential })).end()
    return true
  } catch (error) {
    // invalid_password, which an account that is not there is answered too; or one that may not log in any more.
    if (error instanceof Error && 'code' in error && ['28P01', '28000'].includes(String(error.code))) return false
    throw error
  }
}

const atOnce = 8

async function mapInTurns<T, R>(items: readonly T[], map: (item: T) => Promise<R>): Promise<readonly R[]> {
  const results: R[] = []
  const queue = items.values()
  const work = async () => {
    for (const item of queue) results.push(await map(item))
  }
  await Promise.all(Array.from({ length: atOnce }, work))
  return results
}
