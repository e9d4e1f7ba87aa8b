import type { Part } from './part.ts'
import { exchangeOf } from './requests.ts'
import { ratioToNoop } from './side-by-side.ts'

/** A whole exchange of a pod that holds a lease and asks again: the same login, and a record of its own. */
export const liveExchange: Part = {
  names: ['exchange.live.throughput_ratio'],
  async run(context) {
    const world = await context.stage.surroundings()
    const form = await exchangeOf(world, { serviceAccount: 'payments/api', target: 'orders-db' })
    return [await ratioToNoop(context, 'exchange.live.throughput_ratio', [form])]
  },
}
