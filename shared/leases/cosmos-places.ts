import type { Container } from '@azure/cosmos'
import { askCosmos } from '../cosmos-error.ts'
import { withoutSystemProperties } from '../document.ts'
import { unless } from './conditional-write.ts'
import { placeDocument, type StoredPlace } from './place.ts'
import type { PlaceStore } from './quota.ts'

type Document = Readonly<Record<string, unknown>>

/** Places in Cosmos DB, in the container of the leases. */
export function cosmosPlaces(container: Container): PlaceStore {
  return {
    async all(slot) {
      const query = container.items.query<Document>('SELECT * FROM c', { partitionKey: slot })
      const { resources } = await askCosmos('lease_unavailable', () => query.fetchAll())
      return resources.map(stored)
    },
    async read(slot, id) {
      const { resource } = await askCosmos('lease_unavailable', () => container.item(id, slot).read<Document>())
      return resource && stored(resource)
    },
    async create(place) {
      return (await unless([409], () => container.items.create(place))) !== undefined
    },
    async replace(place, etag) {
      const accessCondition = { type: 'IfMatch', condition: etag }
      const { id, slot } = place
      // 404: its time to live ended after it was read.
      const written = await unless([412, 404], () => container.item(id, slot).replace(place, { accessCondition }))
      return written !== undefined
    },
  }
}

function stored(document: Document): StoredPlace {
  const { success, data: place } = placeDocument.safeParse(withoutSystemProperties(document))
  return { id: String(document['id']), etag: String(document['_etag']), ...(success && { place }) }
}
