import { defineConfig } from 'vitest/config'

/** A whole guest boots in 4 s on the machine the suites were written on; a slow CI machine gets eight times that. */
const endToEndMs = 60_000

/** End-to-end suites that mostly wait: for leases, timeouts, answers that must not come. Two at a time cost no more than the longer one. */
const patient = [
  ...['bridged', 'caller', 'capture', 'card', 'change', 'conntrack', 'dhcp', 'discovery', 'end'],
  ...['firewall', 'flowlog', 'grant', 'hostile', 'inside', 'lease', 'live', 'metrics', 'mode', 'name'],
  ...['neighbour', 'outlet', 'package', 'policy', 'prometheus', 'publish', 'reach', 'reader', 'readme'],
  ...['refusal', 'restore', 'rules', 'ruleset', 'set', 'socket', 'stack', 'top', 'translation', 'uplink'],
  ...['verdict', 'why'],
].map((name) => `test/e2e/${name}.test.ts`)

const endToEnd = {
  testTimeout: endToEndMs,
  hookTimeout: endToEndMs,
  globalSetup: ['test/lab/sweep.ts'],
}

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
          ...endToEnd,
          name: 'patient',
          include: patient,
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          ...endToEnd,
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          exclude: patient,
          // Two cores: a second switch under load would only make the first one slow.
          maxWorkers: 1,
          fileParallelism: false,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
})
