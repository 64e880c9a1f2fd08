import { expect, test } from 'vitest'
import { judge } from '../../bench/compare/goals.ts'
import { plan, Refusal } from '../../bench/compare/options.ts'
import { chart } from '../../bench/compare/plot.ts'
import { machine, markdown, type Report } from '../../bench/compare/report.ts'
import { summarize } from '../../bench/compare/summary.ts'
import { switches } from '../../bench/compare/switches.ts'
import * as connect from '../../bench/nat/connect.ts'
import * as dhcp from '../../bench/nat/dhcp.ts'
import { nats } from '../../bench/nat/nats.ts'

const kernel = { peer: 'kernel', round: 0, sample: { out1: 20, in4: 10, connections: 9000 }, failures: [] }
const host = { out1: 5, in4: 4, connections: 5000, leases: 2000, leasesLost: 0, meanwhile: 80 }
const outcomes = [
  { peer: 'bridgeport', round: 0, sample: host, failures: [] },
  { peer: 'bridgeport-nic', round: 0, sample: { out1: 7 }, failures: ['connect: nobody answered'] },
  kernel,
]

function report(): Report {
  const summaries = summarize(outcomes)
  const peers = nats.peers.map(({ name, title }) => ({ name, title, version: title }))
  const conditions = { date: '', machine: machine(0), rounds: 1, seconds: 1, terms: nats.terms }
  return { ...conditions, peers, absent: {}, summaries, goals: judge(summaries), outcomes }
}

test('both rows of Bridgeport are judged, by ratio and by the figure itself', () => {
  const found = judge(summarize(outcomes)).map(({ ours, metric, peer, met }) => [ours, metric, peer, met])
  expect(found).toEqual([
    ['bridgeport', 'out1', 'kernel', false],
    ['bridgeport', 'in4', 'kernel', true],
    ['bridgeport', 'connections', 'kernel', true],
    ['bridgeport', 'leases', null, true],
    ['bridgeport', 'leasesLost', null, true],
    ['bridgeport', 'meanwhile', null, false],
    ['bridgeport-nic', 'out1', 'kernel', true],
  ])
})

test('the report names the row, the terms and what failed', () => {
  const text = markdown(report())
  expect(text).toContain('| guest sends, 1 stream / kernel masquerade | 0.25 | ≥ 0.3 | falls short |')
  expect(text).toContain(
    '| guest sends, 1 stream, Bridgeport, uplink nic / kernel masquerade | 0.35 | ≥ 0.3 | met |',
  )
  expect(text).toContain('| DHCP messages lost | 0.00 | ≤ 0 | met |')
  expect(text).toContain(nats.terms)
  expect(text).toContain('- failed: bridgeport-nic, round 1: connect: nobody answered')
})

test('every plot of the two contests has a file of its own, and those with figures are drawn', () => {
  const names = [...switches.plots, ...nats.plots].map((plot) => plot.name)
  expect(new Set(names).size).toBe(names.length)
  const [streams, connections, udp] = nats.plots.map((plot) => chart(plot, report()))
  expect(streams).toContain('Bridgeport, uplink nic')
  expect(connections).toContain('kernel masquerade')
  expect(udp).toBeNull()
})

test('each contest knows its own peers and measurements', () => {
  expect(() => plan(nats, ['--only', 'ovs'])).toThrow(
    new Refusal(`--only: there is no ovs; choose from ${nats.peers.map((peer) => peer.name).join(', ')}`),
  )
  expect(() => plan(switches, ['--measure', 'dhcp'])).toThrow(
    '--measure: there is no dhcp; choose from tcp, rate, latency',
  )
  expect(() => plan(nats, ['--fast'])).toThrow(Refusal)
})

test('a peer or a tool that is missing is named with its package and left out', () => {
  const peer = { ...nats.peers[0], name: 'x', missing: () => null }
  const gone = { ...peer, name: 'y', missing: () => 'install the package y' }
  const measurement = { ...nats.measurements[0], needs: {} }
  const without = { ...measurement, name: 'm', needs: { 'no-such-program': 'some-package' } }
  const contest = { ...nats, peers: [peer, gone], measurements: [measurement, without] }
  const { plan: chosen, absent } = plan(contest, ['--quick'])
  expect(() => plan(contest, ['--seconds', '0'])).toThrow("--seconds: '0' is no number")
  expect(chosen.peers.map(({ name }) => name)).toEqual(['x'])
  expect(chosen).toMatchObject({ rounds: 1, seconds: 1, target: nats.target, measurements: [measurement] })
  expect(absent).toEqual({
    y: 'install the package y',
    m: 'no-such-program is missing; install the package some-package',
  })
})

const quiet = '  9549 requests in 3.09s, 0.96MB read\nRequests/sec:   3091.34\n'

test('what wrk says', () => {
  expect(connect.read(quiet)).toEqual({ done: 9549, failed: 0, perSecond: 3091.34 })
  const errors = '  Socket errors: connect 1, read 20, write 0, timeout 3\n'
  expect(connect.read(errors + quiet).failed).toBe(24)
  expect(() => connect.read('unable to connect to 198.51.100.2:8080 Connection timed out\n')).toThrow(
    'wrk: no connection was made: unable to connect',
  )
})

const block = (received: number, drops: number, longest: number) =>
  `sent packets: 6000\nreceived packets: ${received}\ndrops: ${drops}\ndrops ratio: 0 %\nmax delay: ${longest} ms\n`

test('what perfdhcp says: exchanges that were completed, messages lost in both halves', () => {
  const output = `Rate: 1400 4-way exchanges/second\n${block(5999, 1, 37.086)}${block(5990, 9, 3.5)}`
  expect(dhcp.read(output, 3)).toEqual({ rate: 5990 / 3, lost: 10, delay: 37.086 })
  expect(() => dhcp.read('Running: perfdhcp\nno interface eth0\n', 3)).toThrow(
    'perfdhcp: no statistics: no interface',
  )
})
