import type { Registration, StreamRecord } from './stream.ts'

/** What the log may hold of a failure: codes and statuses, no text of an SDK. */
export type FailureDetail = Readonly<Record<string, string | number>>

/** What is known after one attempt to write. */
export type Outcome =
  | { readonly kind: 'committed' }
  /** Something is there under one of the ids: perhaps what an earlier attempt wrote. */
  | { readonly kind: 'conflict' }
  /** Certainly nothing was written; it may be tried again after that long. */
  | { readonly kind: 'throttled'; readonly afterMs: number; readonly detail: FailureDetail }
  /** Certainly nothing was written. */
  | { readonly kind: 'refused'; readonly status: number; readonly detail: FailureDetail }
  /** It was written, will be, or never was: nobody can tell. */
  | { readonly kind: 'unclear'; readonly detail: FailureDetail }

/** Where streams are kept. Each is one attempt that ends with its signal, and none of them throws. */
export interface StreamStore {
  register(registration: Registration, signal: AbortSignal): Promise<Outcome>
  /** What is there in the place of a registration; undefined where nothing is or could be had. */
  readRegistration(registration: Registration, signal: AbortSignal): Promise<object | undefined>
  /** All of one stream, all or nothing. */
  commit(records: readonly StreamRecord[], signal: AbortSignal): Promise<Outcome>
  /** Those records, or undefined where not all of them are there or none could be had. */
  read(stream: string, ids: readonly string[], signal: AbortSignal): Promise<readonly object[] | undefined>
}
