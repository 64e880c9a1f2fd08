import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** A whole guest boots in 4 s on the machine the suites were written on; a slow CI machine gets eight times that. */
const endToEndMs = 60_000

/** End-to-end suites that mostly wait: for leases, timeouts, answers that must not come. A few at a time cost little more than the longest one. */
const patient = [
  ...['attach', 'bridged', 'caller', 'capture', 'card', 'change', 'conntrack', 'dhcp', 'discovery', 'end'],
  ...['example', 'firewall', 'flowlog', 'grant', 'home', 'hostile', 'idle', 'inside', 'lease', 'live'],
  ...['metrics', 'mode', 'name', 'neighbour', 'outlet', 'package', 'passage', 'policy', 'prometheus'],
  ...['publish', 'reach', 'reader', 'readme', 'refusal', 'restore', 'rules', 'ruleset', 'run', 'set'],
  ...['socket', 'stack', 'start', 'stream', 'tag', 'top', 'translation', 'uplink', 'verdict', 'why'],
].map((name) => `test/e2e/${name}.test.ts`)

/** The longest ones, longest first: begun last, one of them would keep a core waiting for the other. */
const long = [
  ...['chain/oracle', 'pipeline/allocation', 'gateway/fuzz', 'vhost/fuzz', 'vhost/storm', 'control/policy'],
  ...['vhost/ring', 'chain/allocation', 'chain/witness', 'port/uplink', 'cli/usage', 'service/dns/forwarder'],
  ...['e2e/readme', 'e2e/mode', 'e2e/stream', 'e2e/restore', 'e2e/end', 'e2e/refusal', 'e2e/bridged'],
  ...['e2e/uplink', 'e2e/rules', 'e2e/example', 'e2e/package', 'e2e/why', 'e2e/capture', 'e2e/change'],
  ...['e2e/idle', 'e2e/attach', 'e2e/set', 'e2e/metrics', 'e2e/flowlog', 'e2e/dhcp', 'e2e/firewall'],
]

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => {
      const at = long.findIndex((name) => moduleId.endsWith(`/test/${name}.test.ts`))
      return at < 0 ? long.length : at
    }
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b))
  }
}

const endToEnd = {
  testTimeout: endToEndMs,
  hookTimeout: endToEndMs,
  globalSetup: ['test/lab/sweep.ts'],
}

export default defineConfig({
  test: {
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/e2e/**'],
          testTimeout: 20_000,
          // Vitest leaves a core to itself unless told.
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          ...endToEnd,
          name: 'patient',
          include: patient,
          maxWorkers: 3,
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
