import { coldStart } from './cold-start.ts'
import { liveExchange } from './exchange-live.ts'
import { mintExchange } from './exchange-mint.ts'
import { staticExchange } from './exchange-static.ts'
import { memory } from './memory.ts'
import { noop } from './noop.ts'
import type { Part } from './part.ts'

/** The benchmark, in the order in which it runs. */
export const parts: readonly Part[] = [noop, staticExchange, liveExchange, mintExchange, coldStart, memory]
