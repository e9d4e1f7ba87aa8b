import { coldStart } from './cold-start.ts'
import { decisionCost } from './decide.ts'
import { compileCost } from './decide-compile.ts'
import { durableExchange } from './exchange-durable.ts'
import { liveExchange } from './exchange-live.ts'
import { mintExchange } from './exchange-mint.ts'
import { staticExchange } from './exchange-static.ts'
import { flood } from './flood.ts'
import { liveLease } from './lease-live.ts'
import { revocations } from './lease-revocations.ts'
import { memory } from './memory.ts'
import { noop } from './noop.ts'
import type { Part } from './part.ts'
import { verify } from './verify.ts'
import { logVerification } from './verify-log.ts'

/** The benchmark, in the order in which it runs. */
export const parts: readonly Part[] = [
  noop,
  verify,
  decisionCost,
  compileCost,
  staticExchange,
  liveExchange,
  liveLease,
  durableExchange,
  mintExchange,
  revocations,
  flood,
  coldStart,
  memory,
  logVerification,
]
