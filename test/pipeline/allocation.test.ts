/** The steady state allocates nothing: a child moves frames under --trace-gc, which tells of every collection. */
import { afterAll, describe, expect, it } from 'vitest'
import { bundle } from '../lab/bundle.ts'
import { cleanup } from '../lab/cleanup.ts'
import { must } from '../lab/command.ts'

afterAll(cleanup)

const script = bundle('test/pipeline/steady.ts')
/** Young space: one allocation of 16 bytes a frame fills it more than ten times. */
const flags = ['--trace-gc', '--expose-gc', '--max-semi-space-size=1']

interface Report {
  frames: number
  moved: number
  grownBytes: number
  collections: number
}

/** Moves a million frames of one kind of traffic, `wasteful` with an object made for each. */
async function run(traffic: string, wasteful = false): Promise<Report> {
  const text = await must([process.execPath, ...flags, script, traffic, ...(wasteful ? ['wasteful'] : [])])
  const [, during = ''] = /steady state begins(.*)steady state ends/s.exec(text) ?? []
  const report = JSON.parse(/^\{.*\}$/m.exec(text)![0])
  return {
    ...report,
    collections: during.split('\n').filter((line) => /Scavenge|Mark-Compact/.test(line)).length,
  }
}

/** Measuring costs 8 KiB itself. */
const NOISE_BYTES = 16_384

describe('a million frames', () => {
  it.each(['known', 'flooded', 'offloaded', 'changing', 'dropped'])(
    '%s: allocate nothing',
    async (traffic) => {
      const report = await run(traffic)
      expect(report.frames).toBeGreaterThanOrEqual(1_000_000)
      expect(report.moved).toBeGreaterThan(0)
      expect(report.collections).toBe(0)
      expect(report.grownBytes).toBeLessThan(NOISE_BYTES)
    },
  )
  it('with an object made for each are noticed', async () => {
    const report = await run('known', true)
    expect(report.collections).toBeGreaterThan(5)
  })
})
