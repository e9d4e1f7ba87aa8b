import type { DecisionEntry, StreamEntry } from '../../shared/decisions/record.ts'

type Entry = DecisionEntry | StreamEntry

/** The kinds of records. One that is missing here does not compile. */
export const recordKinds = {
  exchange: 'exchange',
  revocation: 'revocation',
  reconciliation: 'reconciliation',
  admin: 'admin',
  count: 'count',
  stream: 'stream',
} as const satisfies { readonly [Kind in Entry['kind']]: Kind }

/** What records may have come to. */
export const recordOutcomes = {
  allowed: 'allowed',
  denied: 'denied',
  failed: 'failed',
  requested: 'requested',
  kept: 'kept',
  revoked: 'revoked',
  seen: 'seen',
  held: 'held',
  removed: 'removed',
  intended: 'intended',
  done: 'done',
  unclear: 'unclear',
  refused: 'refused',
  opened: 'opened',
} as const satisfies { readonly [Outcome in Entry['outcome']]: Outcome }
