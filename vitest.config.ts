import { defineConfig } from 'vitest/config'

/** Tests that talk to a whole running stack, in real time. */
const onStack = ['test/e2e/**/*.test.ts', 'test/attacks/**/*.test.ts', 'test/conformance/oauth/**/*.test.ts']

/** Tests that kill and freeze gateways: what they wait for is the other processes, and the time that a minter has. */
const onCrashes = ['test/crash/**/*.test.ts']

export default defineConfig({
  test: {
    pool: 'forks',
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // What is looked at until it is so comes from other processes, to which a second is little on a busy machine.
    expect: { poll: { timeout: 20_000 } },
    reporters: ['default'],
    projects: [
      { extends: true, test: { name: 'parts', include: ['test/**/*.test.ts'], exclude: [...onStack, ...onCrashes] } },
      // A lease's window is minutes long and may roll over between two requests of a test: then, once more.
      { extends: true, test: { name: 'stack', include: onStack, retry: 1 } },
      { extends: true, test: { name: 'crashes', include: onCrashes, maxConcurrency: 20 } },
    ],
  },
})
