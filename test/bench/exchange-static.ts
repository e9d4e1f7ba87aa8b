import type { Part } from './part.ts'
import { exchangeOf } from './requests.ts'
import { ratioToNoop } from './side-by-side.ts'

/** A whole exchange whose credential is a secret from Key Vault: verified, decided, recorded, answered. */
export const staticExchange: Part = {
  names: ['exchange.static.throughput_ratio'],
  async run(context) {
    const world = await context.stage.surroundings()
    const form = await exchangeOf(world, { serviceAccount: 'billing/batch', target: 'mainframe-ftp' })
    return [await ratioToNoop(context, 'exchange.static.throughput_ratio', [form])]
  },
}
