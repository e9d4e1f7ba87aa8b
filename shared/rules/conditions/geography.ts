import { z } from 'zod'
import type { Facts } from '../facts.ts'
import type { Condition } from './condition.ts'

const country = z.string().regex(/^[A-Z]{2}$/, 'expected a country code of ISO 3166-1 alpha-2, such as DE')

/** Where the client's address is registered, and where the cluster is. */
export const geographyCondition = z
  .strictObject({
    clientCountry: z.array(country).min(1).max(250).optional(),
    clusterRegion: z.array(z.string().min(1).max(64)).min(1).max(64).optional(),
  })
  .refine(members => Object.keys(members).length > 0, 'expected "clientCountry" or "clusterRegion"')
  .transform(({ clientCountry, clusterRegion }) => [
    ...(clientCountry ? [among('clientCountry', clientCountry, ({ client }) => client.country)] : []),
    ...(clusterRegion ? [among('clusterRegion', clusterRegion, ({ workload }) => workload.issuer.region)] : []),
  ])

function among(test: string, expected: readonly string[], find: (facts: Facts) => string | undefined): Condition {
  return {
    test,
    expected,
    judge(facts) {
      const found = find(facts)
      return found === undefined ? { unevaluable: 'it is not known' } : { met: expected.includes(found), found }
    },
  }
}
