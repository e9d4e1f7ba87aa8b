import { setTimeout as pause } from 'node:timers/promises'

/** Looks again until what is seen is what is awaited, and returns it. Throws what it saw last. */
export async function until<T>(look: () => Promise<T>, awaited: (seen: T) => boolean): Promise<T> {
  for (let looks = 0; ; looks++) {
    const seen = await look()
    if (awaited(seen)) return seen
    if (looks === 300) throw new Error(`still ${JSON.stringify(seen)}`)
    await pause(200)
  }
}
