/** Connections as rows, and as lines that are conntrack(8)'s own but for the seconds. */
import { afterAll, expect, it } from 'vitest'
import { line } from '../../src/cli/conntrack.ts'
import { created, type FlowSource, rows } from '../../src/control/flows.ts'
import { census } from '../../src/control/metrics/census.ts'
import { DEADLINE, NETWORKS, WORDS } from '../../src/table/flow.ts'
import { cleanup } from '../lab/cleanup.ts'
import { mustSync } from '../lab/command.ts'
import { ipv4, u16 } from '../lab/frame.ts'
import { Oracle } from '../lab/oracle.ts'
import { suite } from '../lab/peer.ts'
import { datagram, message, Tracker, tcp } from '../lab/tracker.ts'

const LEFT = '10.81.0.2'
const RIGHT = '10.82.0.2'

const ports = (from: number): [number, number] => [from, 80]
const echo = (type: number, from: string, to: string) =>
  message(from, to, type, 0, [...u16(77), 0, 1], [1, 2])

/** What both see: who sends, and the packet. */
const packets: [number, Uint8Array][] = [
  [0, datagram(LEFT, RIGHT, [4000, 53], 20)],
  [0, datagram(LEFT, RIGHT, [4001, 53], 20)],
  [1, datagram(RIGHT, LEFT, [53, 4001], 100)],
  [0, tcp({ from: LEFT, to: RIGHT, ports: ports(5000), flags: 2, sequence: 10 })],
  [0, tcp({ from: LEFT, to: RIGHT, ports: ports(5001), flags: 2, sequence: 10 })],
  [1, tcp({ from: RIGHT, to: LEFT, ports: [80, 5001], flags: 18, sequence: 20, acknowledged: 11 })],
  [0, tcp({ from: LEFT, to: RIGHT, ports: ports(5001), flags: 16, sequence: 11, acknowledged: 21 })],
  [0, echo(8, LEFT, RIGHT)],
  [1, echo(0, RIGHT, LEFT)],
  [0, ipv4({ source: LEFT, destination: RIGHT, protocol: 50 }, [1, 2, 3, 4])],
]

function source(tracker: Tracker): FlowSource {
  const { arena, flows, now } = tracker
  const { at = 0 } = arena.find('flows') ?? {}
  return { arena, at, capacity: flows.capacity, nowMs: now, networkOf: (port) => `net${port}` }
}

function fed(): Tracker {
  const tracker = new Tracker(64)
  for (const [, packet] of packets) tracker.pass(packet)
  return tracker
}

/** Without what differs for a reason: seconds, and who else uses the kernel's entry. */
const plain = (text: string) => text.replace(/^(\w+ +\d+) \d+/, '$1 N').replace(/use=\d+$/, 'use=1')

suite('in the words of conntrack(8)', ['nft', 'conntrack'], () => {
  afterAll(() => cleanup())

  it('prints the lines that the kernel has for the same packets', () => {
    const oracle = new Oracle()
    mustSync(...oracle.router.argv('sysctl', '-qw', 'net.netfilter.nf_conntrack_acct=1'))
    for (const [side, packet] of packets) expect(oracle.pass(side, packet)).toBe(true)
    const theirs = mustSync(...oracle.router.argv('conntrack', '-L'))
      .trim()
      .split('\n')
    const ours = rows(source(fed())).map(line)
    expect(ours.map(plain).sort()).toEqual(theirs.map(plain).sort())
    oracle.close()
  })
})

it('selects rows by network, protocol and address', () => {
  const tracker = fed()
  tracker.flows.words[WORDS + NETWORKS] = (3 << 16) | 4
  const all = source(tracker)
  expect(rows(all).length).toBe(6)
  expect(rows(all, { network: 'net3' }).map((row) => [row.egress, row.original.sourcePort])).toEqual([
    ['net4', 4000],
  ])
  expect(rows(all, { protocol: 'tcp' }).map((row) => row.state)).toEqual(['SYN_SENT', 'ESTABLISHED'])
  expect(rows(all, { protocol: 'unknown' }).length).toBe(1)
  expect(rows(all, { source: LEFT }).length).toBe(6)
  expect(rows(all, { source: RIGHT }).length).toBe(0)
  expect(rows(all, { destination: RIGHT, limit: 2 }).length).toBe(2)
})

it('counts by network, protocol and state, and leaves out what has expired', async () => {
  const tracker = fed()
  tracker.flows.words[WORDS + DEADLINE] = tracker.now
  const counts = (await census(source(tracker))).map(
    (row) => `${row.network} ${row.protocol} ${row.state} ${row.count}`,
  )
  expect(counts.sort()).toEqual([
    'net0 icmp REPLIED 1',
    'net0 tcp ESTABLISHED 1',
    'net0 tcp SYN_SENT 1',
    'net0 udp REPLIED 1',
    'net0 unknown UNREPLIED 1',
  ])
  expect(rows(source(tracker)).length).toBe(5)
  expect(created(source(tracker))).toBe(6)
})
