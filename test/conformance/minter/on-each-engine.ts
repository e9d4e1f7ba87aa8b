import { afterAll, beforeAll, describe } from 'vitest'
import { mysqlEngine } from './mysql-engine.ts'
import { postgresqlEngine } from './postgresql-engine.ts'
import { Trial } from './trial.ts'

const engines = [postgresqlEngine, mysqlEngine]

/** Runs the tests on every engine, each on one server. Where that is missing they are skipped, and their title says why. */
export function onEachEngine(tests: (trial: Trial) => void): void {
  for (const engine of engines) {
    const title = engine.missing === undefined ? engine.name : `${engine.name} (skipped: ${engine.missing})`
    describe.skipIf(engine.missing !== undefined)(title, () => {
      const trial = new Trial(engine)
      beforeAll(() => trial.start())
      afterAll(() => trial.stop())
      tests(trial)
    })
  }
}
