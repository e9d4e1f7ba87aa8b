import { openDatabase } from '../../infra/local/documents.ts'
import type { Part } from './part.ts'
import { exchangesOfNewPods } from './requests.ts'

/** How many of the lease's documents are changed at once, to bring their end forward. */
const atOnce = 20

/** Leases of one target whose time has come, all at once: how many the timer ends a second. */
export const revocations: Part = {
  names: ['lease.revocations_per_s'],
  async run({ plan, stage, progress }) {
    const world = await stage.surroundings()
    const gateway = await stage.freshGateway()
    const { database, close } = openDatabase(world)
    try {
      const forms = await exchangesOfNewPods(world, plan.mints)
      const until = { requests: forms.length }
      await stage.load().run({ url: `${gateway.url}/token`, forms, callers: 4, until })
      const leases = database.container('leases')
      const due = { query: 'SELECT * FROM c WHERE c.state = "active"' }
      const { resources } = await leases.items.query<{ readonly id: string; readonly slot: string }>(due).fetchAll()
      const past = new Date(Date.now() - 1_000).toISOString()
      for (let from = 0; from < resources.length; from += atOnce) {
        const some = resources.slice(from, from + atOnce)
        const changes = { mintUntil: past, expiresAt: past, dueAt: past }
        await Promise.all(some.map(lease => leases.item(lease.id, lease.slot).replace({ ...lease, ...changes })))
      }
      progress(`lease.revocations_per_s: ${resources.length} leases are due`)
      const begun = performance.now()
      await gateway.runTimer('revoke-expired')
      const seconds = (performance.now() - begun) / 1000
      const { resources: left } = await leases.items.query(due).fetchAll()
      if (left.length > 0) throw new Error(`${left.length} leases of ${resources.length} were not ended`)
      const value = resources.length / seconds
      const detail = `${resources.length} accounts of one target ended in ${seconds.toFixed(1)} s, each seen absent and recorded`
      return [{ name: 'lease.revocations_per_s', value, unit: 'per second', detail }]
    } finally {
      close()
      await gateway.stop()
    }
  },
}
