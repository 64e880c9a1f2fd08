/** The steady state allocates nothing: a child moves frames under --trace-gc, which tells of every collection. */
import { afterAll, describe, expect, it } from 'vitest'
import { bundle } from '../lab/bundle.ts'
import { cleanup } from '../lab/cleanup.ts'
import { must } from '../lab/command.ts'
import type { Report } from '../lab/million.ts'

afterAll(cleanup)

const bridge = bundle('test/pipeline/steady.ts')
const gateway = bundle('test/gateway/steady.ts')
const rings = bundle('test/vhost/steady.ts')
/** Young space: one allocation of 16 bytes a frame fills it more than ten times. */
const flags = ['--trace-gc', '--expose-gc', '--max-semi-space-size=1']

interface Run extends Report {
  collections: number
}

/** Moves a million frames of one kind of traffic, with `wasteful` an object is made for each. */
async function run(script: string, ...words: string[]): Promise<Run> {
  const text = await must([process.execPath, ...flags, script, ...words])
  const [, during = ''] = /steady state begins(.*)steady state ends/s.exec(text) ?? []
  const report: Report = JSON.parse(/^\{.*\}$/m.exec(text)![0])
  return {
    ...report,
    collections: during.split('\n').filter((line) => /Scavenge|Mark-Compact/.test(line)).length,
  }
}

/** Measuring costs 8 KiB itself. */
const NOISE_BYTES = 16_384

describe('a million frames', () => {
  it.each(['known', 'flooded', 'offloaded', 'changing', 'dropped', 'captured', 'filtered'])(
    '%s: allocate nothing',
    async (traffic) => {
      const report = await run(bridge, traffic)
      expect(report.frames).toBeGreaterThanOrEqual(1_000_000)
      expect(report.moved).toBeGreaterThan(0)
      expect(report.collections).toBe(0)
      expect(report.grownBytes).toBeLessThan(NOISE_BYTES)
    },
  )
  it('with an object made for each are noticed', async () => {
    const report = await run(bridge, 'known', 'wasteful')
    expect(report.collections).toBeGreaterThan(5)
  })
})

describe('a million frames through a gateway', () => {
  /** How many of the frames leave: one in a hundred is a station's ARP, and some new flows' answers come too late. */
  const shares = { udp: 0.98, tcp: 0.98, ping: 0.98, new: 0.9, logged: 0.9, fragments: 0.97 }
  it.each(Object.entries(shares))('%s: allocate nothing', async (traffic, share) => {
    const report = await run(gateway, traffic)
    expect(report.moved).toBeGreaterThan(share * report.frames)
    expect(report.collections).toBe(0)
    expect(report.grownBytes).toBeLessThan(NOISE_BYTES)
  })
  it('with an object made for each are noticed', async () => {
    const report = await run(gateway, 'udp', 'none', 'wasteful')
    expect(report.collections).toBeGreaterThan(5)
  })
})

describe('frames under rules', { timeout: 60_000 }, () => {
  /** How many of the frames leave at least; what finds a table of hashlimit full is dropped, what is rejected is answered up to an allowance. */
  const cases: [string, string, number][] = [
    ['udp', 'static', 0.98],
    ['tcp', 'pure', 0.98],
    ['udp', 'memory', 0.98],
    ['new', 'translated', 0.3],
    ['fragments', 'memory', 0.97],
    ['bridged', 'memory', 0.4],
    ['udp', 'told', 0.98],
    ['tcp', 'rejected', 0.4],
    ['new', 'rejected', 0.001],
  ]
  it.each(cases)('%s, %s: allocate nothing', async (traffic, rules, share) => {
    const report = await run(gateway, traffic, rules)
    expect(report.moved).toBeGreaterThan(share * report.frames)
    expect(report.collections).toBe(0)
    expect(report.grownBytes).toBeLessThan(NOISE_BYTES)
  })
  it('with an object made for each are noticed', async () => {
    const report = await run(gateway, 'udp', 'memory', 'wasteful')
    expect(report.collections).toBeGreaterThan(2)
  })
})

describe('a million frames from one guest to another', () => {
  it.each([
    ['in one buffer each', 60, 2048],
    ['of full length', 1514, 2048],
    ['in several buffers each', 1000, 128],
  ])('%s: allocate nothing', async (_name, length, room) => {
    const report = await run(rings, String(length), String(room))
    expect(report.moved).toBeGreaterThanOrEqual(report.frames)
    expect(report.collections).toBe(0)
    expect(report.grownBytes).toBeLessThan(NOISE_BYTES)
  })
})
