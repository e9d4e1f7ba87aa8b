import { defineConfig } from 'vitest/config'

/** Tests that talk to a whole running stack, in real time. */
const onStack = ['test/e2e/**/*.test.ts', 'test/attacks/**/*.test.ts', 'test/conformance/oauth/**/*.test.ts']

/** Tests that kill and freeze gateways: what they wait for is the other processes, and the time that a minter has. */
const onCrashes = ['test/crash/**/*.test.ts']

/** Many of these wait more than they work: two files at once, on however few cores. */
const parts = { exclude: [...onStack, ...onCrashes], maxWorkers: 2, sequence: { groupOrder: 0 } }

/** One file after the other, and after those of lower groups: a whole stack is many processes. */
const alone = (groupOrder: number) => ({ maxWorkers: 1, sequence: { groupOrder } })

export default defineConfig({
  test: {
    pool: 'forks',
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // What is looked at until it is so comes from other processes, to which a second is little on a busy machine.
    expect: { poll: { timeout: 20_000 } },
    reporters: ['default'],
    projects: [
      { extends: true, test: { ...parts, name: 'parts', include: ['test/**/*.test.ts'] } },
      // A lease's window is minutes long and may roll over between two requests of a test: then, once more.
      { extends: true, test: { ...alone(1), name: 'stack', include: onStack, retry: 1 } },
      { extends: true, test: { ...alone(2), name: 'crashes', include: onCrashes, maxConcurrency: 20 } },
    ],
  },
})
