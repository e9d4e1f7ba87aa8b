import { unavailable } from '../../shared/errors.ts'
import { type Place, placeDocument, type StoredPlace } from '../../shared/leases/place.ts'
import type { PlaceStore } from '../../shared/leases/quota.ts'

/** Places in memory: conditional like the real store. */
export interface PlaceMemory extends PlaceStore {
  /** While it is down, whatever is asked of it fails. */
  isDown: boolean
  /** Puts a document there, whatever was there before, and whether it is a place or not. */
  put(document: Readonly<{ id: string; slot: string }>): void
}

export function placeMemory(): PlaceMemory {
  const stored = new Map<string, StoredPlace & { readonly slot: string }>()
  let version = 0

  function put(document: Readonly<{ id: string; slot: string }>): void {
    const { success, data: place } = placeDocument.safeParse(document)
    const { id, slot } = document
    stored.set(keyOf(document), { id, slot, etag: `"${++version}"`, ...(success && { place }) })
  }

  /** Answers a turn later, as a real store does: whoever asks at the same time has read the same. */
  async function answer<T>(ask: () => T): Promise<T> {
    await new Promise(setImmediate)
    if (memory.isDown) throw unavailable('lease_unavailable')
    return ask()
  }

  function putIf(expected: string | undefined, place: Place): boolean {
    const isAsExpected = stored.get(keyOf(place))?.etag === expected
    if (isAsExpected) put(place)
    return isAsExpected
  }

  const memory: PlaceMemory = {
    isDown: false,
    put,
    all: slot => answer(() => [...stored.values()].filter(one => one.slot === slot)),
    read: (slot, id) => answer(() => stored.get(keyOf({ slot, id }))),
    create: place => answer(() => putIf(undefined, place)),
    replace: (place, etag) => answer(() => putIf(etag, place)),
  }
  return memory
}

function keyOf({ slot, id }: Readonly<{ id: string; slot: string }>): string {
  return `${slot} ${id}`
}
