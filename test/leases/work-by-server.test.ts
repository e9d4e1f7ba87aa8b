import { describe, expect, test } from 'vitest'
import { type Contact, type WorkOptions, workByServer } from '../../shared/leases/work-by-server.ts'

interface Piece {
  readonly server: string
  readonly number: number
}

/** Work that is done when a test says so. */
function pieces(options: WorkOptions = { random: () => 0 }) {
  const started: { readonly piece: Piece; readonly done: (contact: Contact) => void }[] = []
  const time = new AbortController()
  const work = workByServer<Piece>(
    piece =>
      new Promise(resolve => {
        started.push({ piece, done: resolve })
      }),
    time.signal,
    options,
  )
  return {
    started,
    time,
    work,
    add: (server: string, count: number) =>
      Array.from({ length: count }, (_, number) => work.add(server, { server, number })),
    running: (server: string) => started.filter(({ piece }) => piece.server === server).length,
    /** Answers the next piece of a server that runs. */
    async answer(server: string, contact: Contact) {
      const index = started.findIndex(({ piece }) => piece.server === server)
      started.splice(index, 1)[0]?.done(contact)
      await new Promise(resolve => setImmediate(resolve))
    },
  }
}

describe('work for many servers', () => {
  test('a server that hangs has one worker, and the others go on', async () => {
    const { add, running, answer } = pieces()
    add('dead', 1_000)
    add('well', 5)
    expect([running('dead'), running('well')]).toEqual([1, 1])
    for (let done = 0; done < 5; done++) await answer('well', 'reached')
    expect([running('dead'), running('well')]).toEqual([1, 0])
  })

  test('one that was reached has four workers at most', async () => {
    const { add, running, answer } = pieces()
    add('well', 100)
    for (const now of [2, 3, 4, 4, 4]) {
      await answer('well', 'reached')
      expect(running('well')).toBe(now)
    }
  })

  test('forty dead targets leave workers for the one that lives, in turn', async () => {
    const { add, running, answer, started } = pieces()
    for (let dead = 0; dead < 40; dead++) add(`dead-${dead}`, 10)
    add('well', 1)
    expect(started).toHaveLength(32)
    // The first ones answer that they are dead: the ninth turn after that is the living one's.
    for (let dead = 0; dead < 9; dead++) await answer(`dead-${dead}`, 'unreachable')
    expect(running('well')).toBe(1)
  })

  test('a server is given up once three pieces in a row could not reach it', async () => {
    const { add, running, answer, work } = pieces()
    add('dead', 10)
    for (let tries = 0; tries < 3; tries++) await answer('dead', 'unreachable')
    expect(running('dead')).toBe(0)
    expect(add('dead', 1)).toEqual([false])
    await work.finish()
  })

  test('and not where one of them did', async () => {
    const { add, running, answer } = pieces()
    add('flaky', 10)
    for (const contact of ['unreachable', 'unreachable', 'reached', 'unreachable'] as const)
      await answer('flaky', contact)
    expect(running('flaky')).toBeGreaterThan(0)
  })

  test('no more than fifty wait for a server that was not reached, and five hundred for one that was', async () => {
    const { add, answer } = pieces()
    expect(add('slow', 52).filter(taken => !taken)).toHaveLength(1)
    await answer('slow', 'reached')
    const { add: addToAnother, answer: answerAnother } = pieces()
    addToAnother('well', 1)
    await answerAnother('well', 'reached')
    // One more of them runs at once, and two do once it was reached.
    expect(addToAnother('well', 504).filter(taken => !taken)).toHaveLength(2)
  })

  test('no more than five thousand wait for servers that hang, but for the first piece of each', () => {
    const { add } = pieces()
    for (let server = 0; server < 110; server++) add(`slow-${server}`, 51)
    expect(add('one more', 2)).toEqual([true, false])
  })

  test('and they take no room from a server that answers', async () => {
    const { add, answer } = pieces()
    add('well', 1)
    for (let server = 0; server < 110; server++) add(`slow-${server}`, 51)
    await answer('well', 'reached')
    expect(add('well', 500).filter(taken => !taken)).toEqual([])
  })

  test('servers that answer come before those that hang, and a new one before both is tried again', async () => {
    const { add, running, answer } = pieces()
    for (let hanging = 0; hanging < 40; hanging++) add(`hanging-${hanging}`, 10)
    for (let hanging = 0; hanging < 9; hanging++) await answer(`hanging-${hanging}`, 'unreachable')
    // 40 of them have had, or have, their turn: those that failed wait for another.
    add('new', 10)
    await answer('hanging-10', 'unreachable')
    expect(running('new')).toBe(1)
    await answer('new', 'reached')
    await answer('hanging-11', 'unreachable')
    expect(running('new')).toBe(2)
  })

  test('half of the workers are for servers that were not reached yet, however much the others have to do', async () => {
    const { add, running, answer } = pieces()
    const well = Array.from({ length: 8 }, (_, number) => `well-${number}`)
    for (const server of well) add(server, 100)
    for (const server of [...well, ...well, ...well, ...well]) await answer(server, 'reached')
    expect(well.map(running)).toEqual([4, 4, 4, 4, 4, 4, 4, 4])
    const hanging = Array.from({ length: 20 }, (_, number) => `hanging-${number}`)
    for (const server of hanging) add(server, 3)
    for (let turn = 0; turn < 5; turn++) for (const server of well) await answer(server, 'reached')
    expect(hanging.filter(running)).toHaveLength(16)
  })

  test('which of those that were not tried yet comes next is left to chance, whatever came first', async () => {
    const { add, running, answer } = pieces({ random: () => 0.999 })
    for (let hanging = 0; hanging < 32; hanging++) add(`hanging-${hanging}`, 1)
    add('first', 1)
    add('last', 1)
    await answer('hanging-0', 'unreachable')
    expect([running('first'), running('last')]).toEqual([0, 1])
  })

  test('a server that answers for certain has four workers from the start', async () => {
    const { add, running } = pieces({ answering: ['well'] })
    add('well', 10)
    expect(running('well')).toBe(4)
  })

  test('a server that was refused work takes more once half of what waits is done, and others meanwhile', async () => {
    const { add, answer, work } = pieces()
    add('hangs', 60)
    add('well', 52)
    expect(work.closed()).toEqual(['hangs', 'well'])
    let hasRoom: boolean | undefined
    const room = work.room().then(has => {
      hasRoom = has
    })
    await new Promise(resolve => setImmediate(resolve))
    expect(hasRoom).toBe(undefined)
    await answer('well', 'reached')
    await room
    expect([hasRoom, work.closed()]).toEqual([true, ['hangs']])
    expect(add('well', 1)).toEqual([true])
  })

  test('there is no room to wait for where nothing was refused, or only by servers that were given up', async () => {
    const { add, answer, work } = pieces()
    add('dead', 3)
    expect(await work.room()).toBe(false)
    add('dead', 60)
    const room = work.room()
    for (let tries = 0; tries < 3; tries++) await answer('dead', 'unreachable')
    expect(await room).toBe(false)
    expect(work.closed()).toEqual(['dead'])
  })

  test('nothing begins once time is up, and what runs is waited for', async () => {
    const { add, running, answer, time, work } = pieces()
    add('well', 3)
    time.abort()
    let finished = false
    const finishing = work.finish().then(() => {
      finished = true
    })
    await new Promise(resolve => setImmediate(resolve))
    expect([running('well'), finished]).toEqual([1, false])
    await answer('well', 'reached')
    await finishing
    expect(running('well')).toBe(0)
  })
})
