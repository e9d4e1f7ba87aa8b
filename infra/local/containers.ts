import type { ContainerDefinition } from './cosmos/server.ts'

/** The database that they are in. */
export const database = 'causeway'

/**
 * The containers of the database: made by whoever deploys, never by the gateway. TTL is on everywhere and deletes
 * nothing by itself (-1): tombstones and revoked leases name their own.
 */
export const containers: readonly ContainerDefinition[] = [
  { id: 'issuers', partitionKey: '/id', defaultTtl: -1 },
  { id: 'targets', partitionKey: '/id', defaultTtl: -1 },
  { id: 'rules', partitionKey: '/target', defaultTtl: -1 },
  { id: 'calendars', partitionKey: '/id', defaultTtl: -1 },
  { id: 'lockdowns', partitionKey: '/id', defaultTtl: -1 },
  { id: 'posture', partitionKey: '/of', defaultTtl: -1 },
  { id: 'changes', partitionKey: '/id', defaultTtl: -1 },
  { id: 'versions', partitionKey: '/of', defaultTtl: -1 },
  { id: 'leases', partitionKey: '/slot', defaultTtl: -1 },
  { id: 'decisions', partitionKey: '/stream', defaultTtl: -1 },
  { id: 'streams', partitionKey: '/hour', defaultTtl: -1 },
  // Answers to operators' questions: a day is long enough.
  { id: 'checks', partitionKey: '/id', defaultTtl: 86_400 },
  { id: 'checkpoints', partitionKey: '/day', defaultTtl: -1 },
]
