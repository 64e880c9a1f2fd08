import { describe, expect, test } from 'vitest'
import { judge } from '../../bench/compare/goals.ts'
import { rows, type Sample } from '../../bench/compare/metric.ts'
import { plan } from '../../bench/compare/options.ts'
import { chart } from '../../bench/compare/plot.ts'
import { machine, markdown, type Report } from '../../bench/compare/report.ts'
import { summarize } from '../../bench/compare/summary.ts'
import { card } from '../../bench/vhost/guest.ts'
import { judged } from '../../bench/vhost/nat.ts'
import { devices, macs } from '../../bench/vhost/site.ts'
import { learned, rates, unknown } from '../../bench/vhost/testpmd.ts'
import { busiest, worked } from '../../bench/vhost/threads.ts'
import { vhost } from '../../bench/vhost/vhost.ts'

test('what testpmd says of frames received a second, port by port', () => {
  const block = (port: number, pps: number) =>
    `  ######################## NIC statistics for port ${port}  ########################\n` +
    '  RX-packets: 13978272   RX-missed: 0          RX-bytes:  894609408\n  RX-errors: 0\n\n' +
    `  Throughput (since last show)\n  Rx-pps:      ${pps}          Rx-bps:   3741690168\n  Tx-pps:      1          Tx-bps: 2\n`
  expect(rates(`show port stats all\n${block(0, 7_307_988)}${block(1, 0)}testpmd> `)).toEqual([7_307_988, 0])
  expect(rates('testpmd> ')).toEqual([])
})

describe('frames through SNAT', () => {
  const flows = { seconds: 2, sent: 5_000_000, received: 4_000_000, translated: 4_000_000, wrong: 0 }
  test('count by what arrived', () => expect(judged(flows)).toBe(2))
  test('do not count if one was not translated', () =>
    expect(() => judged({ ...flows, translated: 3_999_999 })).toThrow('1 of 4000000 were not translated'))
  test('do not count if a checksum is wrong', () =>
    expect(() => judged({ ...flows, wrong: 3 })).toThrow('3 frames had a wrong checksum'))
  test('are a failure if none arrives', () =>
    expect(() => judged({ ...flows, received: 0, translated: 0 })).toThrow('no frame arrived'))
})

test('a known destination is the other guest, an unknown one is nobody', () => {
  expect(learned).toEqual(macs.toReversed())
  for (const mac of unknown) {
    expect(macs).not.toContain(mac)
    // Individual and locally administered.
    expect(Number.parseInt(mac, 16) & 3).toBe(2)
  }
})

test('both guests are one process with a port on each socket', () =>
  expect(devices({ a: '/x/a', b: '/x/b' })).toEqual([
    `--vdev=net_virtio_user0,path=/x/a,mac=${macs[0]},queue_size=1024`,
    `--vdev=net_virtio_user1,path=/x/b,mac=${macs[1]},queue_size=1024`,
  ]))

test('QEMU has the same card on a socket and on a TAP, in memory of the same kind', () => {
  const device = (words: string[]) => words[words.indexOf('-device') + 1]
  const socket = card({ socket: '/x/a' }, macs[0], 'tcg')
  const tap = card({ ifname: 'ga' }, macs[0], 'tcg')
  expect(socket).toContain('socket,id=line,path=/x/a')
  expect(tap).toContain('tap,id=net,ifname=ga,script=no,downscript=no,vhost=off')
  expect(device(socket)).toBe(`virtio-net-pci,netdev=net,mac=${macs[0]},vectors=0`)
  expect(device(tap)).toBe(device(socket))
  expect(device(card({ socket: '/x/a' }, macs[0], 'kvm'))).not.toContain('vectors')
  for (const words of [socket, tap]) expect(words.join(' ')).toContain('memory-backend-memfd')
})

test('the busiest thread is found, one that is new too', () => {
  const before = new Map([
    [10, 5_000_000],
    [11, 9_000_000],
  ])
  const after = new Map([
    [10, 6_000_000],
    [11, 9_000_001],
    [12, 3_000_000],
  ])
  expect(busiest(before, after)).toBe(12)
  expect([...worked(process.pid).values()].some((time) => time > 0)).toBe(true)
})

/** One round of each peer; `ratio` is ours to OVS-DPDK's. */
function summaries(ratio: number) {
  const theirs: Sample = { frames64: 10, flooded64: 5, flows1024: 2, flows100000: 1 }
  const waits: Sample = { tenthMedian: 2, tenthP99: 9, halfMedian: 4, halfP99: 20 }
  const times = (sample: Sample, factor: number): Sample =>
    Object.fromEntries(Object.entries(sample).map(([metric, value]) => [metric, value * factor]))
  const idle: Sample = { guestTcp: ratio, idleAlone: 0.1, idleGuests: 0.9 }
  const samples: Record<string, Sample> = {
    bridgeport: { ...times(theirs, ratio), ...times(waits, 1 / ratio), ...idle },
    'ovs-dpdk': { ...theirs, ...waits },
    testpmd: { frames64: 20 },
    bridge: { guestTcp: 1 },
  }
  return summarize(
    Object.entries(samples).map(([peer, sample]) => ({ peer, round: 0, sample, failures: [] })),
  )
}

test('goals: nearly twice the frames, no longer round trips, no CPU without work', () => {
  const met = (ratio: number) =>
    Object.fromEntries(
      judge(summaries(ratio)).map(({ metric, peer, met }) => [`${metric} ${peer ?? ''}`.trim(), met]),
    )
  const all = [
    ...['frames64 ovs-dpdk', 'frames64 testpmd', 'flooded64 ovs-dpdk'],
    ...['flows1024 ovs-dpdk', 'flows100000 ovs-dpdk'],
    ...['tenthMedian ovs-dpdk', 'tenthP99 ovs-dpdk', 'halfMedian ovs-dpdk', 'halfP99 ovs-dpdk'],
    ...['guestTcp bridge', 'idleAlone', 'idleGuests'],
  ]
  expect(Object.keys(met(2))).toEqual(all)
  expect(all.filter((goal) => !met(2)[goal])).toEqual(['idleGuests'])
  expect(all.filter((goal) => met(0.5)[goal])).toEqual(['idleAlone'])
})

test('the table has a row for each figure and a column for each peer; every plot is drawn', () => {
  const found = summaries(2)
  const names = ['bridgeport', 'ovs-dpdk', 'testpmd', 'bridge']
  const report: Report = {
    date: '',
    machine: machine(0),
    rounds: 1,
    seconds: 1,
    terms: vhost.terms,
    peers: vhost.peers.filter(({ name }) => names.includes(name)).map((peer) => ({ ...peer, version: '1' })),
    absent: { 'bridgeport-tap': 'not asked for' },
    summaries: found,
    goals: judge(found),
    outcomes: [],
  }
  const text = markdown(report)
  expect(text).toContain(
    '| median (range) | unit | Bridgeport | OVS-DPDK | testpmd io | kernel TAP + bridge |',
  )
  expect(text).toContain(`| ${rows.frames64.title} | Mpps | 20.00 | 10.00 | 20.00 | – |`)
  expect(text).toContain(`| ${rows.frames64.title} / OVS-DPDK | 2.00 | ≥ 1.8 | met |`)
  expect(text).toContain('- not measured: bridgeport-tap: not asked for\n')
  for (const plot of vhost.plots) {
    expect(new Set(plot.metrics.map((metric) => rows[metric].unit)).size).toBe(1)
    expect(chart(plot, report)).toContain('</svg>')
  }
})

test('a run of its own length, by name', () => {
  const present = { ...vhost, peers: vhost.peers.map((peer) => ({ ...peer, missing: () => null })) }
  const measurements = vhost.measurements.map((measurement) => ({ ...measurement, needs: {} }))
  const whole = plan({ ...present, measurements }, [])
  expect(whole.plan).toMatchObject({ rounds: 3, seconds: 1.5, target: null })
  expect(whole.plan.measurements.map(({ name }) => name)).toEqual([
    'idle',
    'guests',
    'rate',
    'nat',
    'latency',
  ])
  const some = plan({ ...present, measurements }, ['--only', 'ovs-dpdk', '--measure', 'nat', '--quick'])
  expect(some.plan).toMatchObject({ rounds: 1, seconds: 1 })
})
