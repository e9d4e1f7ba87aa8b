import type { Point, Step } from './steps.ts'

/** Where the messages of one process pass, and where one of them can be made the last. */
export interface Gate {
  /** Resolves when the message may go on; never, where the gate was closed at or before it and stays so. */
  pass(step: Step, side: Point['side']): Promise<void>
  /** At the first message that comes to the point, does `act` at once and closes. Resolves when that has happened. */
  closeAt(point: Point, act: () => void): Promise<void>
  /** Lets everything that was held go on. */
  open(): void
}

interface Trap {
  readonly point: Point
  readonly act: () => void
  readonly sprung: PromiseWithResolvers<void>
}

export function createGate(): Gate {
  let trap: Trap | undefined
  let closed: PromiseWithResolvers<void> | undefined
  return {
    async pass(step, side) {
      if (trap?.point.step === step && trap.point.side === side) {
        const { act, sprung } = trap
        trap = undefined
        closed = Promise.withResolvers()
        act()
        sprung.resolve()
      }
      await closed?.promise
    },
    closeAt(point, act) {
      trap = { point, act, sprung: Promise.withResolvers() }
      return trap.sprung.promise
    },
    open() {
      closed?.resolve()
      closed = undefined
    },
  }
}
