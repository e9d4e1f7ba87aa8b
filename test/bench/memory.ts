import type { Part } from './part.ts'
import { residentBytes } from './process-usage.ts'
import { exchangeOf } from './requests.ts'

const mebibyte = 1024 * 1024

/** What a gateway holds of physical memory after load by all callers, static secrets and live leases in turn. */
export const memory: Part = {
  names: ['memory.mb'],
  async run({ plan, stage, progress }) {
    const world = await stage.surroundings()
    const forms = [
      await exchangeOf(world, { serviceAccount: 'billing/batch', target: 'mainframe-ftp' }),
      await exchangeOf(world, { serviceAccount: 'payments/api', target: 'orders-db' }),
    ]
    const gateway = await stage.freshGateway()
    try {
      const before = residentBytes(gateway.pid) / mebibyte
      progress(`memory.mb: ${plan.soak} s of load`)
      const load = { url: `${gateway.url}/token`, forms, callers: plan.callers, until: { seconds: plan.soak } }
      const { answers } = await stage.load().run(load)
      const value = residentBytes(gateway.pid) / mebibyte
      const detail = `after ${answers} exchanges in ${plan.soak} s; ${before.toFixed(0)} MiB when it had just started`
      return [{ name: 'memory.mb', value, unit: 'MiB resident', detail }]
    } finally {
      await gateway.stop()
    }
  },
}
