import { randomBytes } from 'node:crypto'
import type { ManageGateway } from '../../shared/gateway.ts'
import { registerDocuments } from './documents.ts'
import { readers } from './operator.ts'

/** `/manage/lockdowns`: what ends access, now. */
export function registerLockdowns(manage: ManageGateway): void {
  registerDocuments(manage, {
    plural: 'lockdowns',
    singular: 'lockdown',
    container: 'lockdowns',
    partition: 'id',
    mayRead: readers,
    mayWrite: ['Lockdown.Write'],
    newId: () => `lockdown-${new Date().toISOString().slice(0, 10)}-${randomBytes(4).toString('hex')}`,
    tellSaved: lockdown => matchingLeases(manage, lockdown),
  })
}

/** How many live leases a lockdown names. That they cannot be counted must not look as if it were not in force. */
async function matchingLeases({ lockedLeases }: ManageGateway, lockdown: unknown) {
  const counted = await lockedLeases(lockdown).catch(() => undefined)
  return counted ? { matchingLeases: counted } : {}
}
