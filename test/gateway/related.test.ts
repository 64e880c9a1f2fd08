/** ICMP: queries, errors about other packets and what they lie about, packets that come in where they cannot. */
import { describe, expect, it } from 'vitest'
import { Link } from '../../src/gateway/link.ts'
import { ESTABLISHED, INVALID, NEW, RELATED } from '../../src/gateway/packet.ts'
import { DEADLINE, NETWORKS, WORDS } from '../../src/table/flow.ts'
import { ipv4, join, u16 } from '../lab/frame.ts'
import { datagram, message, Tracker, tcp } from '../lab/tracker.ts'

const GUEST = '10.0.2.15'
const SERVER = '198.51.100.1'
const ROUTER = '192.0.2.1'
const SYN = 2
const ACK = 16

const ask = (payload = 8) => datagram(GUEST, SERVER, [4000, 53], payload)
const answer = (payload = 8) => datagram(SERVER, GUEST, [53, 4000], payload)
const left = (tracker: Tracker, flow: number) =>
  (tracker.flows.words[flow * WORDS + DEADLINE] - tracker.now) | 0

/** The first `bytes` bytes of the packet behind its header as an ICMP error quotes them. */
const quote = (packet: Uint8Array, bytes = 8) => packet.subarray(0, 20 + bytes)
const unreachable = (from: string, to: string, about: Uint8Array) =>
  message(from, to, 3, 1, [0, 0, 0, 0], about)

describe('ICMP queries', () => {
  const echo = (type: number, id: number, from = GUEST, to = SERVER) =>
    message(from, to, type, 0, [...u16(id), 0, 1], [1, 2, 3, 4])

  it('are matched by identifier, and only a request begins one', () => {
    const tracker = new Tracker()
    expect(tracker.pass(echo(0, 7)).dropped).toBe('conntrack_invalid')
    expect(tracker.pass(echo(8, 7))).toEqual({ dropped: '', state: NEW, flow: 2 })
    expect(tracker.pass(echo(0, 8, SERVER, GUEST)).dropped).toBe('conntrack_invalid')
    expect(tracker.pass(echo(0, 7, SERVER, GUEST))).toEqual({ dropped: '', state: ESTABLISHED, flow: 3 })
    expect(left(tracker, 1)).toBe(60_000)
    expect(tracker.pass(message(GUEST, SERVER, 13, 0, [0, 9, 0, 1], new Uint8Array(12))).state).toBe(NEW)
    expect(tracker.pass(message(SERVER, GUEST, 14, 0, [0, 9, 0, 1], new Uint8Array(12))).flow).toBe(5)
    expect(tracker.pass(message(GUEST, SERVER, 9, 0, [0, 9, 0, 1])).dropped).toBe('conntrack_invalid')
  })
})

describe('ICMP errors', () => {
  it('belong to the flow whose packet they carry, in both directions', () => {
    const tracker = new Tracker()
    tracker.pass(ask())
    tracker.pass(answer())
    const before = left(tracker, 1)
    expect(tracker.pass(unreachable(ROUTER, GUEST, quote(ask())))).toEqual({
      dropped: '',
      state: RELATED,
      flow: 3,
    })
    expect(tracker.pass(unreachable(GUEST, SERVER, quote(answer())))).toEqual({
      dropped: '',
      state: RELATED,
      flow: 2,
    })
    for (const type of [4, 5, 11, 12])
      expect(tracker.pass(message(ROUTER, GUEST, type, 0, [0, 0, 0, 0], quote(ask()))).state).toBe(RELATED)
    expect(left(tracker, 1)).toBe(before)
  })

  it('of a translated flow carry what was seen outside', () => {
    const tracker = new Tracker()
    const packet = tracker.place(ask())
    tracker.conntrack.look(packet, tracker.now)
    packet.replyDestination = 0x64400002
    const flow = tracker.conntrack.confirm(packet, tracker.now)
    const outside = datagram('100.64.0.2', SERVER, [4000, 53])
    expect(tracker.pass(unreachable(ROUTER, '100.64.0.2', quote(outside))).flow).toBe((flow << 1) | 1)
    expect(tracker.pass(unreachable(ROUTER, GUEST, quote(ask()))).dropped).toBe('conntrack_invalid')
  })

  it('about TCP and about an echo are matched as well', () => {
    const tracker = new Tracker()
    const syn = tcp({ from: GUEST, to: SERVER, ports: [4000, 80], flags: SYN, sequence: 5 })
    const ping = message(GUEST, SERVER, 8, 0, [0, 7, 0, 1])
    tracker.pass(syn)
    tracker.pass(ping)
    expect(tracker.pass(unreachable(ROUTER, GUEST, quote(syn))).flow).toBe(3)
    expect(tracker.pass(unreachable(ROUTER, GUEST, quote(ping))).flow).toBe(5)
    expect(tracker.flows.count).toBe(2)
  })

  it('that lie about what they carry belong to nobody', () => {
    const tracker = new Tracker()
    tracker.pass(ask())
    const about = quote(ask())
    const fragment = ipv4(
      { source: GUEST, destination: SERVER, protocol: 17, fragment: 1 },
      ask().subarray(20),
    )
    const lies: [string, Uint8Array][] = [
      ['to somebody else', unreachable(ROUTER, '10.0.2.99', about)],
      ['no such flow', unreachable(ROUTER, GUEST, quote(datagram(GUEST, SERVER, [4001, 53])))],
      ['cut off', unreachable(ROUTER, GUEST, about.subarray(0, 27))],
      ['no header', unreachable(ROUTER, GUEST, about.subarray(0, 19))],
      ['not IPv4', unreachable(ROUTER, GUEST, join([0x65], about.subarray(1)))],
      ['a header too short', unreachable(ROUTER, GUEST, join([0x44], about.subarray(1)))],
      ['a header behind the end', unreachable(ROUTER, GUEST, join([0x4f], about.subarray(1)))],
      ['a later fragment', unreachable(ROUTER, GUEST, quote(fragment))],
      ['about an error', unreachable(ROUTER, GUEST, quote(unreachable(GUEST, SERVER, about), 36))],
    ]
    for (const [what, packet] of lies)
      expect([what, tracker.pass(packet)]).toEqual([
        what,
        { dropped: 'conntrack_invalid', state: INVALID, flow: -1 },
      ])
    const damaged = unreachable(ROUTER, GUEST, about)
    damaged[23] ^= 1
    const inside = unreachable(ROUTER, GUEST, join(about.subarray(0, 8), [1], about.subarray(9)))
    for (const packet of [damaged, inside]) expect(tracker.pass(packet).dropped).toBe('bad_checksum')
    expect(tracker.flows.count).toBe(1)
  })
})

it('believes nothing that comes in where its flow does not', () => {
  const tracker = new Tracker()
  const { flows, packet } = tracker
  const inside = packet.ingress
  const outside = new Link(inside.network, Object.create(inside.port, { index: { value: 5 } }))
  const syn = tcp({ from: GUEST, to: SERVER, ports: [4000, 80], flags: SYN, sequence: 999 })
  const accepted = { from: SERVER, to: GUEST, ports: [80, 4000] as [number, number], sequence: 1 }
  tracker.pass(ask())
  tracker.pass(syn)
  for (const flow of [1, 2]) flows.words[flow * WORDS + NETWORKS] = 5
  const before = flows.words.slice()
  const forged = [
    answer(),
    tcp({ ...accepted, flags: SYN | ACK, acknowledged: 1000 }),
    tcp({ ...accepted, flags: 4 | ACK, acknowledged: 1000 }),
    unreachable(ROUTER, GUEST, quote(ask())),
  ]
  for (const each of forged)
    expect(tracker.pass(each)).toEqual({ dropped: 'martian', state: INVALID, flow: -1 })
  packet.ingress = outside
  for (const each of [ask(), syn]) expect(tracker.pass(each).dropped).toBe('martian')
  expect(flows.words).toEqual(before)
  expect(tracker.pass(answer()).state).toBe(ESTABLISHED)
  expect(tracker.pass(forged[3]).state).toBe(RELATED)
})
