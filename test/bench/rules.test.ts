import { expect, test } from 'vitest'
import { judge } from '../../bench/compare/goals.ts'
import { plan } from '../../bench/compare/options.ts'
import { chart } from '../../bench/compare/plot.ts'
import { machine, markdown, type Report } from '../../bench/compare/report.ts'
import { summarize } from '../../bench/compare/summary.ts'
import * as micro from '../../bench/micro/goals.ts'
import { usual } from '../../bench/micro/ruled.ts'
import { counted, echoes, unanswered } from '../../bench/rules/replace.ts'
import { rules } from '../../bench/rules/rules.ts'
import { many, ports } from '../../bench/rules/text.ts'
import { check } from '../../src/chain/check.ts'
import { restore } from '../../src/chain/restore.ts'

const forward = (text: string) => restore(text).tables.get('filter')?.chains.get('FORWARD')

test('so many rules, of which only the last means what is sent', () => {
  expect(forward(many(0))).toMatchObject({ policy: 'ACCEPT', rules: [] })
  for (const about of ['near', 'wide'] as const)
    for (const count of [10, 1000]) {
      const text = many(count, 1, about)
      check(restore(text), () => null)
      expect(forward(text)?.rules).toHaveLength(count)
      const named = [...text.matchAll(/--dport (\d+)/g)].map(([, port]) => Number(port))
      expect(named).toHaveLength(count - 1)
      expect(Math.max(...named)).toBeLessThan(ports.first)
      expect(text).toMatch(/\n-A FORWARD -j ACCEPT\nCOMMIT\n$/)
    }
})

test('another seed shares hardly a rule, the same one all', () => {
  const lines = new Set(many(10_000).split('\n'))
  expect(many(10_000)).toBe(many(10_000, 1))
  const shared = many(10_000, 2)
    .split('\n')
    .filter((line) => line.includes('--dport') && lines.has(line))
  expect(shared.length).toBeLessThan(200)
})

test('the usual rules are six', () => {
  check(restore(usual), () => null)
  expect(forward(usual)?.rules).toHaveLength(6)
})

test('what ping says: each reply with its time, and those that never came', () => {
  const line = (at: string, sequence: number, ms: string) =>
    `[${at}] 64 bytes from 10.78.0.1: icmp_seq=${sequence} ttl=63 time=${ms} ms\n`
  const output =
    'PING 10.78.0.1 (10.78.0.1) from 10.79.0.1 eth1: 56(84) bytes of data.\n' +
    line('1795277000.100000', 1, '0.100') +
    line('1795277000.102000', 2, '12.5') +
    line('1795277000.106000', 4, '0.090') +
    '[1795277000.108000] 64 bytes from'
  const replies = echoes(output)
  expect(replies.map(({ sequence, ms }) => [sequence, ms])).toEqual([
    [1, 0.1],
    [2, 12.5],
    [4, 0.09],
  ])
  expect(replies[0].at).toBe(1795277000.1)
  expect(unanswered(replies)).toBe(1)
  expect(unanswered([])).toBe(0)
})

test('counters of a namespace by protocol and name', () => {
  const text =
    'Ip: Forwarding InReceives\nIp: 2 77\nIcmp: InMsgs InErrors\nIcmp: 5 0\nIcmpMsg: InType8\nIcmpMsg: 5\n'
  expect(counted(text, 'Ip', 'InReceives')).toBe(77)
  expect(counted(text, 'Icmp', 'InMsgs')).toBe(5)
  expect(() => counted(text, 'Udp', 'InErrors')).toThrow('no counter Udp InErrors')
})

const ours = { rules1000: 300, rules10000: 290, fresh1000: 150, lost: 0, unanswered: 1, roundTripAdded: 2.5 }
const outcomes = [
  { peer: 'bridgeport', round: 0, sample: ours, failures: [] },
  { peer: 'iptables', round: 0, sample: { rules1000: 100, rules10000: 30, fresh1000: 80 }, failures: [] },
  { peer: 'nft', round: 0, sample: { rules1000: 20 }, failures: [] },
]

test("rules are judged by the kernel's own rate, replacing them by itself", () => {
  const found = judge(summarize(outcomes)).map(({ metric, peer, met }) => [metric, peer, met])
  expect(found).toEqual([
    ['rules1000', 'iptables', true],
    ['rules10000', 'iptables', false],
    ['fresh1000', 'iptables', false],
    ['lost', null, true],
    ['unanswered', null, false],
    ['roundTripAdded', null, true],
  ])
})

test('the report has a row for each figure and a chart for each measurement', () => {
  const summaries = summarize(outcomes)
  const peers = rules.peers.map(({ name, title }) => ({ name, title, version: title }))
  const conditions = { date: '', machine: machine(0), rounds: 1, seconds: 1, terms: rules.terms }
  const report: Report = {
    ...conditions,
    peers,
    absent: {},
    summaries,
    goals: judge(summaries),
    outcomes,
  }
  const text = markdown(report)
  expect(text).toContain('| frames of connections, 1,000 rules | kpps | 300 | 100 | 20 |')
  expect(text).toContain('| frames of connections, 1,000 rules / kernel, iptables | 3.00 | ≥ 2 | met |')
  const [rates, first, replaced] = rules.plots.map((plot) => chart(plot, report))
  expect(rates).toContain('kernel, nft')
  expect(first).toContain('150')
  expect(replaced).toBeNull()
})

test('it takes its own time unless told otherwise', () => {
  const all = { ...rules, peers: rules.peers.map((peer) => ({ ...peer, missing: () => null })) }
  const free = { ...all, measurements: all.measurements.map((each) => ({ ...each, needs: {} })) }
  expect(plan(free, []).plan).toMatchObject({ rounds: 3, seconds: 1.5, target: '10.78.0.1' })
  expect(plan(free, ['--quick']).plan).toMatchObject({ rounds: 1, seconds: 1 })
  expect(plan(free, ['--rounds', '2']).plan).toMatchObject({ rounds: 2, seconds: 1.5 })
})

test('goals of the microbenchmarks: growth, nanoseconds, what is added, milliseconds', () => {
  const figures = [
    'prefix, protocol, port, 1 mask',
    'prefix, protocol, port, 4 masks',
    'port and set',
  ].flatMap((kind, k) => [
    { name: `filter, 10 rules of ${kind}`, median: 20, least: 20 },
    { name: `filter, 10000 rules of ${kind}`, median: [29, 31, 90][k], least: 20 },
  ])
  const path = ['the usual six rules', 'no rules'].map((title, k) => ({
    name: `conntrack and SNAT, 1024 flows, ${title}`,
    median: [110, 100][k],
    least: 90,
  }))
  const judged = micro.judge([...figures, ...path], 1200)
  expect(judged.map(({ met }) => met)).toEqual([true, true, false, true, false, false, true, false])
  expect(micro.table(judged)).toContain('| the usual six rules beyond conntrack, ns | 10 | ≤ 15 | met |')
  expect(() => micro.judge(figures, 1)).toThrow("no figure is called 'conntrack and SNAT")
})
