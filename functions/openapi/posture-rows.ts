import { z } from 'zod'
import { readers } from '../manage/operator.ts'
import { anyObject, inForceWithin, time } from './answers.ts'
import type { DocumentSchemas, RouteRow } from './row.ts'

/** What a scanner observed, as it is kept. */
const signalRead = z.strictObject({
  signal: z.looseObject({ id: z.string(), of: z.string(), observedAt: time, expiresAt: time, value: z.unknown() }),
})
const signalWritten = signalRead.extend({ inForceWithin })
const signalRemoved = z.strictObject({ removed: z.literal(true), inForceWithin })

/** What scanners say. The kind of subject is in the path. */
export function postureRows({ signal }: DocumentSchemas): readonly RouteRow[] {
  const roles = ['Posture.Write'] as const
  const subjects = {
    cluster: '{issuer}',
    namespace: '{issuer}/{namespace}',
    node: '{issuer}/{node}',
    serviceAccount: '{issuer}/{namespace}/{name}',
    pod: '{issuer}/{namespace}/{name}',
  }
  const operations: RouteRow['operations'] = {
    get: {
      summary: 'Reads a signal.',
      roles: [...readers, ...roles],
      answers: { 200: signalRead },
      errors: [404],
    },
    put: {
      summary: 'Says what a scanner observed.',
      roles,
      body: { schema: z.union([signal, anyObject]) },
      answers: { 200: signalWritten },
      errors: [404, 409, 422],
    },
    delete: { summary: 'Removes a signal.', roles, answers: { 200: signalRemoved }, errors: [404] },
  }
  const paths = Object.entries(subjects).map(([kind, names]) => `/manage/posture/${kind}/${names}/{signal}`)
  return [{ route: 'manage/posture/{*path}', paths, family: 'manage', operations }]
}
