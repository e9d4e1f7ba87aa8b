import type { MeetFault } from './faults.ts'
import type { KeyStore } from './keys.ts'
import type { SecretStore } from './secrets.ts'

/** What may be done with a key. Reading its versions counts as `get`. */
export type KeyAction = 'get' | 'create' | 'sign' | 'verify'

/** What the requests of one vault are answered from. */
export interface Vault {
  readonly url: string
  readonly secrets: SecretStore
  readonly keys: KeyStore
  /** How many authenticated GETs each secret has had. */
  readonly requests: Map<string, number>
  readonly meet: MeetFault
  readonly authorize: (identity: string, action: 'get' | 'set', secretName: string) => boolean
  readonly authorizeKey: (identity: string, action: KeyAction, keyName: string) => boolean
  /** Epoch milliseconds. */
  readonly now: () => number
}

/** What an authenticated request asks of a secret or a key. */
export interface Asked {
  readonly method: string
  readonly name: string
  /** What stands behind the name in the path. */
  readonly rest: readonly string[]
  readonly identity: string
  readonly body: string
}

/** The JSON of a request, undefined where it is none. */
export function parseBody(body: unknown): unknown {
  try {
    return JSON.parse(String(body))
  } catch {
    return undefined
  }
}
