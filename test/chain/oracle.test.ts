/**
 * The kernel as oracle for whole rulesets: the same rules in a namespace and in our gateway, the same packets, compared packet by packet,
 * then counter by counter, flow by flow and set by set. What is known to differ, and why, stands in docs/oracle.md.
 *
 *   SEED=… makes another run, or the one that a report names; RULESETS=5000 PACKETS=400 makes a longer one.
 */
import { afterAll, expect, it } from 'vitest'
import { cleanup } from '../lab/cleanup.ts'
import { Gate } from '../lab/gate.ts'
import { Kernel } from '../lab/kernel.ts'
import { suite } from '../lab/peer.ts'
import { Random } from '../lab/random.ts'
import { ruleset } from '../lab/ruleset.ts'
import { shrink } from '../lab/shrink.ts'
import { Traffic } from '../lab/traffic.ts'
import { compare, type Difference, explore, report, run, type Trial } from '../lab/trial.ts'

const RULESETS = Number(process.env.RULESETS ?? 500)
const PACKETS = Number(process.env.PACKETS ?? 210)
/** Always the same in the change gate: what it refuses is the change's doing. */
const SEED = Number(process.env.SEED ?? 2026)

suite('as iptables', ['iptables-legacy-restore', 'ipset', 'conntrack', 'nft'], () => {
  afterAll(() => cleanup())

  it('does with every packet what the kernel does', () => {
    const kernel = new Kernel()
    const gate = new Gate()
    const differ = ({ written, parcels }: Trial): Difference | null =>
      compare(run(kernel, written, parcels), run(gate, written, parcels))
    let count = 0
    let passed = 0
    for (let n = 0; n < RULESETS; n++) {
      const random = new Random(SEED + n)
      const written = ruleset(random, n)
      const { parcels, run: theirs } = explore(kernel, written, new Traffic(random), PACKETS)
      count += parcels.length
      passed += theirs.answers.filter((answers) => answers.length > 0).length
      const found = compare(theirs, run(gate, written, parcels))
      if (found === null) continue
      const { trial, difference } = shrink({ written, parcels }, found, differ)
      expect.fail(`SEED=${SEED + n} RULESETS=1\n${report(trial, difference)}`)
    }
    gate.close()
    console.log(`seed ${SEED}: ${RULESETS} rulesets, ${count} packets, ${passed} answered, no difference`)
    expect(passed).toBeGreaterThan(count / 4)
    if (RULESETS >= 500) expect(count).toBeGreaterThanOrEqual(100_000)
  }, 3_600_000)
})
