import { defineConfig } from 'vitest/config'

/** A whole guest boots in 4 s on the machine the suites were written on; a slow CI machine gets eight times that. */
const endToEndMs = 60_000

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/e2e/**'],
          testTimeout: 20_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          testTimeout: endToEndMs,
          hookTimeout: endToEndMs,
          globalSetup: ['test/lab/sweep.ts'],
          // Two cores: a second switch under load would only make the first one slow.
          maxWorkers: 1,
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
})
