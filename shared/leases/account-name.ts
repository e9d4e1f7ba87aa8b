import { createHash } from 'node:crypto'
import { type AccountForm, isVariable, leaseDigits, partsOf, roomForVariables } from '../account-form.ts'
import type { Workload } from '../workload/workload.ts'

/** What an account is named after. */
export interface Named {
  readonly form: AccountForm
  readonly deployment: string
  readonly lease: string
  readonly workload: Pick<Workload, 'namespace' | 'serviceAccount'>
}

const digits = 'abcdefghijklmnopqrstuvwxyz234567'

/** The name of a lease's account, by its target's template: `[a-z0-9_]`, 80 bits of the lease's id, and within the engine's limit. */
export function accountName({ form, deployment, lease, workload }: Named): string {
  const room = roomForVariables(form.name, form.longestName, deployment.length)
  const values: Readonly<Record<string, string>> = {
    '{deployment}': deployment,
    '{lease}': leaseText(lease),
    '{namespace}': readable(workload.namespace, room),
    '{serviceAccount}': readable(workload.serviceAccount?.name, room),
  }
  return partsOf(form.name)
    .map(part => values[part] ?? part)
    .join('')
}

/** How the accounts of one deployment that were made by one template are told from all others. */
export interface OwnNames {
  /** What all of them begin with. */
  readonly prefix: string
  isOwn(name: string): boolean
}

/** The names that {@link accountName} gives. */
export function ownNames({ name, longestName }: AccountForm, deployment: string): OwnNames {
  const patterns = partsOf(name).map(part => {
    if (part === '{deployment}') return deployment
    if (part === '{lease}') return `[a-z2-7]{${leaseDigits}}`
    return isVariable(part) ? `[a-z0-9_]{1,${longestName}}` : part
  })
  const pattern = new RegExp(`^${patterns.join('')}$`)
  const [prefix = ''] = name.replace('{deployment}', deployment).split('{')
  return { prefix, isOwn: candidate => pattern.test(candidate) }
}

function leaseText(lease: string): string {
  const bytes = createHash('sha256').update(lease).digest().subarray(0, leaseDigits)
  return Array.from(bytes, byte => digits[byte & 31]).join('')
}

/** For people's eyes: what tells accounts apart is the lease. */
function readable(text: string | undefined, room: number): string {
  const plain = (text ?? '').toLowerCase().replace(/[^a-z0-9]/g, '_')
  return plain.slice(0, room) || '_'
}
