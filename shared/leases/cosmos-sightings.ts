import type { Container } from '@azure/cosmos'
import { z } from 'zod'
import { askCosmos } from '../cosmos-error.ts'

/** What earlier runs of the reconciler saw. */
export interface Sightings {
  /** The accounts that a run between two times, in epoch milliseconds, took for strays. Throws 503 `lease_unavailable`. */
  between(from: number, to: number): Promise<ReadonlySet<string>>
}

const sighting = z.object({ strays: z.array(z.object({ account: z.string() })) })

/** The decision log remembers them: a run may be another process's than the one before it. */
export function cosmosSightings(decisions: Container, deployment: string): Sightings {
  return {
    async between(from, to) {
      const query = decisions.items.query<Record<string, unknown>>({
        query:
          'SELECT c.strays FROM c WHERE c.kind = "reconciliation" AND c.outcome = "seen" AND ' +
          'c.deployment = @deployment AND c.at >= @from AND c.at <= @to',
        parameters: [
          { name: '@deployment', value: deployment },
          { name: '@from', value: new Date(from).toISOString() },
          { name: '@to', value: new Date(to).toISOString() },
        ],
      })
      const { resources } = await askCosmos('lease_unavailable', () => query.fetchAll())
      const seen = resources.flatMap(found => sighting.safeParse(found).data?.strays ?? [])
      return new Set(seen.map(({ account }) => account))
    },
  }
}
