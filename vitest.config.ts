import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // A lease's window is minutes long and may roll over between two requests of a test: then, once more.
    retry: 1,
    reporters: ['default'],
  },
})
