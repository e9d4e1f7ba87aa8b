import type { Container } from './container.ts'
import { databaseRid } from './resource-id.ts'

/** The account: one region that is read and written. Clients go where it says, so it names this server's own URL. */
export function describeAccount(url: string): string {
  const locations = [{ name: 'Local', databaseAccountEndpoint: `${url}/` }]
  return JSON.stringify({
    _self: '',
    id: 'causeway-local',
    _rid: 'causeway-local',
    media: '//media/',
    addresses: '//addresses/',
    _dbs: '//dbs/',
    writableLocations: locations,
    readableLocations: locations,
    enableMultipleWriteLocations: false,
    userConsistencyPolicy: { defaultConsistencyLevel: 'Session' },
  })
}

/** The database. */
export function describeDatabase(id: string): string {
  const rid = databaseRid(id)
  return JSON.stringify({
    id,
    _rid: rid,
    _self: `dbs/${rid}/`,
    _etag: '"1"',
    _colls: 'colls/',
    _users: 'users/',
    _ts: 0,
  })
}

/** A container; the client reads its partition key path from here. */
export function describeContainer({ definition, rid, databaseRid: database }: Container): string {
  return JSON.stringify({
    id: definition.id,
    partitionKey: { paths: [definition.partitionKey], kind: 'Hash', version: 2 },
    ...(definition.defaultTtl !== undefined && { defaultTtl: definition.defaultTtl }),
    _rid: rid,
    _self: `dbs/${database}/colls/${rid}/`,
    _etag: '"1"',
    _docs: 'docs/',
    _ts: 0,
  })
}

/** A container's physical partitions: one, with every key in it. */
export function describeRanges({ rid }: Container): string {
  const range = { id: '0', minInclusive: '', maxExclusive: 'FF', status: 'online', parents: [], _etag: '"1"', _ts: 0 }
  return JSON.stringify({ _rid: rid, PartitionKeyRanges: [{ ...range, _rid: rid }], _count: 1 })
}
