import type { Permission } from '../../shared/credentials/credential-provider.ts'

/** The decision is on record already. */
export function permitted(signal = new AbortController().signal): Permission {
  return { recorded: Promise.resolve(), signal }
}
