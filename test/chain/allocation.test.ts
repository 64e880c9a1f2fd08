/** Running rules allocates nothing: a child does so a million times under --trace-gc, which tells of every collection. */
import { afterAll, describe, expect, it } from 'vitest'
import { bundle } from '../lab/bundle.ts'
import { cleanup } from '../lab/cleanup.ts'
import { must } from '../lab/command.ts'
import type { Report } from '../lab/million.ts'

afterAll(cleanup)

const script = bundle('test/chain/steady.ts')
/** Young space: one allocation of 16 bytes a packet fills it more than ten times. */
const flags = ['--trace-gc', '--expose-gc', '--max-semi-space-size=1']
/** Measuring costs 8 KiB itself. */
const NOISE_BYTES = 16_384

async function run(...words: string[]): Promise<Report & { collections: number }> {
  const text = await must([process.execPath, ...flags, script, ...words])
  const [, during = ''] = /steady state begins(.*)steady state ends/s.exec(text) ?? []
  const report: Report = JSON.parse(/^\{.*\}$/m.exec(text)![0])
  const collections = during.split('\n').filter((line) => /Scavenge|Mark-Compact/.test(line)).length
  return { ...report, collections }
}

describe('a million packets', { timeout: 60_000 }, () => {
  it.each(['lookups', 'plain', 'loops'])('through %s: allocate nothing', async (rules) => {
    const report = await run(rules)
    expect(report.moved).toBeGreaterThan(report.frames)
    expect(report.collections).toBe(0)
    expect(report.grownBytes).toBeLessThan(NOISE_BYTES)
  })
  it('with an object made for each are noticed', async () => {
    expect((await run('lookups', 'wasteful')).collections).toBeGreaterThan(5)
  })
})
