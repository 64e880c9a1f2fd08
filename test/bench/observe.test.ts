import { expect, test } from 'vitest'
import { judge } from '../../bench/compare/goals.ts'
import { rows } from '../../bench/compare/metric.ts'
import { summarize } from '../../bench/compare/summary.ts'
import { observe } from '../../bench/observe/observe.ts'
import { flows } from '../../bench/observe/site.ts'
import { p99, told } from '../../bench/observe/watcher.ts'

test('what a capture says in the end', () => {
  expect(told('warning\n1200 frames captured, 34 lost because nobody read in time\n')).toEqual({
    frames: 1200,
    lost: 34,
  })
  expect(() => told('bridgeport: no switch answers\n')).toThrow('no switch answers')
})

test('connections by a scrape, whatever their state', () => {
  const line = (protocol: string, count: number) =>
    `bridgeport_flow_entries{network="out",protocol="${protocol}",state="UNREPLIED"} ${count}\n`
  expect(flows(`${line('udp', 99_990)}bridgeport_flow_capacity 262144\n${line('icmp', 10)}`)).toBe(100_000)
})

test('a hundredth may be longer than p99', () => {
  const hundred = Array.from({ length: 100 }, (_, n) => 100 - n)
  expect(p99(hundred)).toBe(99)
  expect(p99([7])).toBe(7)
})

test('every figure has a row and every plot figures of one unit', () => {
  for (const { metrics } of observe.plots)
    expect(new Set(metrics.map((metric) => rows[metric].unit)).size).toBe(1)
})

test('a loss above the bound falls short, for TAPs and for guests', () => {
  const outcome = (peer: string, scrapeShare: number) => ({
    peer,
    round: 0,
    sample: { scrapeShare },
    failures: [],
  })
  const judged = judge(summarize([outcome('bridgeport', 98.5), outcome('bridgeport-vhost', 97.5)]))
  expect(judged.map(({ ours, met }) => [ours, met])).toEqual([
    ['bridgeport', true],
    ['bridgeport-vhost', false],
  ])
})
