import { expect, test } from 'vitest'
import { judge } from '../../bench/compare/goals.ts'
import type { Sample } from '../../bench/compare/metric.ts'
import { chart, plots } from '../../bench/compare/plot.ts'
import { json, machine, markdown, type Report } from '../../bench/compare/report.ts'
import { median, summarize } from '../../bench/compare/summary.ts'

const outcome = (peer: string, round: number, sample: Sample) => ({ peer, round, sample, failures: [] })

const outcomes = [
  outcome('bridgeport', 0, { tcp1: 10, rate: 500, flood: 12 }),
  outcome('bridgeport', 1, { tcp1: 12, rate: 480, flood: 11 }),
  outcome('bridgeport', 2, { tcp1: 11, rate: 700, flood: 90 }),
  outcome('ovs', 0, { tcp1: 2.5, rate: 300, flood: 24 }),
  outcome('ovs', 1, { tcp1: 2.4, rate: 320 }),
]

function report(): Report {
  const summaries = summarize(outcomes)
  const peers = [
    { name: 'bridgeport', title: 'Bridgeport', version: 'Bridgeport 0.1.0' },
    { name: 'ovs', title: 'OVS <netdev>', version: 'Open vSwitch' },
  ]
  const plan = {
    date: '',
    machine: machine(0),
    rounds: 3,
    seconds: 5,
    terms: 'MTU 1500',
    peers,
    absent: { vde: 'install vde2' },
  }
  return { ...plan, summaries, goals: judge(summaries), outcomes }
}

test.each([
  [[3], 3],
  [[10, 2, 3], 3],
  [[10, 9, 2, 4], 6.5],
])('the median of %j is %d', (values, expected) => {
  expect(median(values)).toBe(expected)
})

test('a figure counts the rounds that yielded it', () => {
  const [bridgeport, ovs] = summarize(outcomes)
  expect(bridgeport.figures.flood).toEqual({ median: 12, min: 11, max: 90, rounds: 3 })
  expect(ovs.figures.flood).toEqual({ median: 24, min: 24, max: 24, rounds: 1 })
  expect(ovs.figures.tcp4).toBeUndefined()
})

test('goals are judged where both figures exist', () => {
  const judged = judge(summarize(outcomes)).map(({ metric, peer, met }) => [metric, peer, met])
  expect(judged).toEqual([
    ['tcp1', 'ovs', false],
    ['rate', 'ovs', true],
    ['flood', 'ovs', true],
  ])
})

test('the table shows medians, ranges, goals and what is absent', () => {
  const text = markdown(report())
  expect(text).toContain('| TCP, 1 stream | Gbit/s | 11.00 (10.00–12.00) | 2.45 (2.40–2.50) |')
  expect(text).toContain('| TCP, 1 stream / OVS <netdev> | 4.49 | ≥ 4.5 | falls short |')
  expect(text).toContain('- not measured: vde: install vde2')
  expect(JSON.parse(json(report())).summaries[0].figures.tcp1.median).toBe(11)
})

test('a chart is drawn of what was measured, and names are escaped', () => {
  const [throughput, , , cpu] = plots.map((plot) => chart(plot, report()))
  expect(throughput).toContain('OVS &lt;netdev&gt;')
  expect(throughput).not.toContain('NaN')
  expect(cpu).toBeNull()
})
