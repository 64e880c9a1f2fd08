import { describe, expect, it } from 'vitest'
import { ESTABLISHED, INVALID, NEW } from '../../src/gateway/packet.ts'
import { timeouts } from '../../src/gateway/timeout.ts'
import {
  ASSURED,
  BINDING,
  BYTES,
  DEADLINE,
  DNAT,
  FAST,
  PACKETS,
  SEEN_REPLY,
  SNAT,
  STATUS,
  WORDS,
} from '../../src/table/flow.ts'
import { ipv4, u16 } from '../lab/frame.ts'
import { datagram, Tracker, tcp } from '../lab/tracker.ts'

const GUEST = '10.0.2.15'
const SERVER = '198.51.100.1'
const SYN = 2
const ACK = 16

const ask = (payload = 8) => datagram(GUEST, SERVER, [4000, 53], payload)
const answer = (payload = 8) => datagram(SERVER, GUEST, [53, 4000], payload)
const status = (tracker: Tracker, flow: number) => tracker.flows.words[flow * WORDS + STATUS]
const left = (tracker: Tracker, flow: number) =>
  (tracker.flows.words[flow * WORDS + DEADLINE] - tracker.now) | 0

describe('UDP', () => {
  it('is new until it is answered, then established', () => {
    const tracker = new Tracker()
    expect(tracker.pass(ask())).toEqual({ dropped: '', state: NEW, flow: 2 })
    expect(tracker.pass(ask())).toEqual({ dropped: '', state: NEW, flow: 2 })
    expect(tracker.pass(answer())).toEqual({ dropped: '', state: ESTABLISHED, flow: 3 })
    expect(tracker.pass(ask())).toEqual({ dropped: '', state: ESTABLISHED, flow: 2 })
    expect(status(tracker, 1) & (SEEN_REPLY | ASSURED | FAST)).toBe(SEEN_REPLY | FAST)
  })

  it('is assured once it goes on for two seconds, also if only its deadline shows it', () => {
    const tracker = new Tracker(64, { udp: 100_000, udpStream: 200_000 })
    tracker.pass(ask())
    tracker.pass(answer())
    expect(left(tracker, 1)).toBe(100_000)
    tracker.now += 2001
    tracker.pass(ask())
    expect([status(tracker, 1) & ASSURED, left(tracker, 1)]).toEqual([ASSURED, 200_000])
    const other = new Tracker(64, { udp: 100_000, udpStream: 200_000 })
    other.pass(ask())
    other.pass(answer())
    other.conntrack.expire(64, other.now)
    expect(status(other, 1) & ASSURED).toBe(0)
    // The straight loop puts off the deadline and asks nobody.
    other.now += 2500
    other.flows.words[WORDS + DEADLINE] = other.now + 100_000
    other.conntrack.expire(64, other.now)
    expect([status(other, 1) & ASSURED, left(other, 1)]).toEqual([ASSURED, 200_000])
  })

  it('ends after its timeout, and what comes then is new', () => {
    const tracker = new Tracker()
    tracker.pass(ask())
    tracker.pass(answer())
    tracker.now += 300_000
    expect(tracker.pass(answer())).toEqual({ dropped: '', state: NEW, flow: 2 })
    expect(tracker.flows.count).toBe(1)
    expect(tracker.flows.find(0xc6336401 | 0, 0x0a00020f, (53 << 16) | 4000, 17)).toBe(2)
  })

  it('counts packets and bytes of both directions', () => {
    const tracker = new Tracker()
    for (let i = 0; i < 3; i++) tracker.pass(ask(100))
    tracker.pass(answer(1000))
    const { words, f64 } = tracker.flows
    expect([words[WORDS + PACKETS], words[WORDS + PACKETS + 1]]).toEqual([3, 1])
    expect([f64[WORDS / 2 + BYTES], f64[WORDS / 2 + BYTES + 1]]).toEqual([3 * 128, 1028])
  })

  it('refuses a datagram that lies about its length', () => {
    const tracker = new Tracker()
    for (const length of [7, 17]) {
      const packet = ask()
      packet.set(u16(length), 24)
      expect(tracker.pass(packet)).toEqual({ dropped: 'conntrack_invalid', state: INVALID, flow: -1 })
    }
    const short = ipv4({ source: GUEST, destination: SERVER, protocol: 17 }, [15, 160, 0, 53, 0, 8])
    expect(tracker.pass(short).dropped).toBe('conntrack_invalid')
    expect(tracker.flows.count).toBe(0)
  })
})

describe('translation', () => {
  it('is found again by the reply that was chosen', () => {
    const tracker = new Tracker()
    const { conntrack, flows, now } = tracker
    const packet = tracker.place(ask())
    expect(conntrack.look(packet, now)).toBe(-1)
    packet.replyDestination = 0x64400002
    packet.replyPorts = (53 << 16) | 1025
    packet.binding = 9
    const flow = conntrack.confirm(packet, now)
    expect(status(tracker, flow) & (SNAT | DNAT)).toBe(SNAT)
    expect(flows.words[flow * WORDS + BINDING]).toBe(9)
    expect(tracker.pass(datagram(SERVER, '100.64.0.2', [53, 1025])).flow).toBe((flow << 1) | 1)
    const redirected = tracker.place(datagram(SERVER, '100.64.0.2', [5000, 8080]))
    conntrack.look(redirected, now)
    redirected.replySource = 0x0a00020f
    redirected.replyPorts = (80 << 16) | 5000
    const second = conntrack.confirm(redirected, now)
    expect(status(tracker, second) & (SNAT | DNAT)).toBe(DNAT)
    expect(tracker.pass(datagram(GUEST, SERVER, [80, 5000])).flow).toBe((second << 1) | 1)
  })

  it('never gives two flows the same reply', () => {
    const tracker = new Tracker()
    tracker.pass(ask())
    const packet = tracker.place(datagram('10.0.2.16', SERVER, [4000, 53]))
    tracker.conntrack.look(packet, tracker.now)
    packet.replyDestination = 0x0a00020f
    expect(tracker.conntrack.confirm(packet, tracker.now)).toBeLessThan(0)
    expect(tracker.flows.count).toBe(1)
  })
})

describe('TCP', () => {
  const say = (flags: number, more: object = {}) =>
    tcp({ from: GUEST, to: SERVER, ports: [4000, 80], flags, ...more })
  const reply = (flags: number, more: object = {}) =>
    tcp({ from: SERVER, to: GUEST, ports: [80, 4000], flags, ...more })

  function established(tracker: Tracker): void {
    tracker.pass(say(SYN, { sequence: 999 }))
    tracker.pass(reply(SYN | ACK, { sequence: 4999, acknowledged: 1000 }))
    tracker.pass(say(ACK, { sequence: 1000, acknowledged: 5000 }))
  }

  it('is fast once it is established and assured, and slow again when it closes', () => {
    const tracker = new Tracker()
    established(tracker)
    expect(status(tracker, 1) & (ASSURED | FAST)).toBe(ASSURED | FAST)
    tracker.pass(say(1 | ACK, { sequence: 1000, acknowledged: 5000 }))
    expect(status(tracker, 1) & (ASSURED | FAST)).toBe(ASSURED)
  })

  it('believes no SYN, FIN or RST with a wrong checksum', () => {
    const tracker = new Tracker()
    const damage = (packet: Uint8Array) => {
      packet[packet.length - 1] ^= 1
      return packet
    }
    expect(tracker.pass(damage(say(SYN, { sequence: 999, payload: 1 }))).dropped).toBe('bad_checksum')
    established(tracker)
    const end = { sequence: 5000, acknowledged: 1000, payload: 1 }
    expect(tracker.pass(damage(reply(4, end))).dropped).toBe('bad_checksum')
    expect(tracker.pass(damage(reply(1 | ACK, end))).dropped).toBe('bad_checksum')
    expect(status(tracker, 1) & FAST).toBe(FAST)
    // A partial checksum is completed later, and a host that received the frame vouches for it.
    for (const work of [0x0100, 0x0200]) {
      const fresh = new Tracker()
      expect(fresh.pass(damage(say(SYN, { sequence: 999, payload: 1 })), work).dropped).toBe('')
    }
  })

  it('refuses what is no segment', () => {
    const tracker = new Tracker()
    const short = say(SYN).subarray(0, 39)
    short.set(u16(39), 2)
    const long = say(SYN)
    long[32] = 0xf0
    const none = say(SYN)
    none[32] = 0x40
    for (const packet of [short, long, none]) expect(tracker.pass(packet).dropped).toBe('conntrack_invalid')
    for (const flags of [0, 1, 3, 6, 0x3f]) expect(tracker.pass(say(flags)).dropped).toBe('conntrack_invalid')
  })

  it('picks up connections that are under way, unless it is told not to', () => {
    const tracker = new Tracker()
    expect(tracker.pass(say(ACK, { sequence: 1, acknowledged: 1 })).state).toBe(NEW)
    const strict = new Tracker()
    strict.conntrack.tcp.loose = false
    expect(strict.pass(say(ACK, { sequence: 1, acknowledged: 1 })).dropped).toBe('conntrack_invalid')
  })

  it('keeps established connections through a flood of SYNs', () => {
    const tracker = new Tracker(256)
    established(tracker)
    for (let i = 0; i < 5000; i++) {
      const source = `10.0.${(i >> 8) & 255}.${i & 255}`
      expect(tracker.pass(tcp({ from: source, to: SERVER, ports: [1 + i, 80], flags: SYN })).dropped).toBe('')
    }
    expect(tracker.flows.count).toBe(256)
    expect(tracker.pass(reply(ACK, { sequence: 5000, acknowledged: 1000, payload: 10 }))).toEqual({
      dropped: '',
      state: ESTABLISHED,
      flow: 3,
    })
  })

  it('says so when every connection is alive', () => {
    const tracker = new Tracker(2)
    established(tracker)
    for (const [from, to, ports, flags, sequence, acknowledged] of [
      [GUEST, SERVER, [4001, 80], SYN, 1, 0],
      [SERVER, GUEST, [80, 4001], SYN | ACK, 7, 2],
      [GUEST, SERVER, [4001, 80], ACK, 2, 8],
    ] as const)
      tracker.pass(tcp({ from, to, ports: [...ports], flags, sequence, acknowledged }))
    expect(tracker.pass(say(SYN, { ports: [4002, 80] })).dropped).toBe('flows_full')
    expect(tracker.flows.count).toBe(2)
  })
})

it('tracks other protocols by their addresses', () => {
  const tracker = new Tracker()
  const generic = (from: string, to: string, protocol: number) =>
    ipv4({ source: from, destination: to, protocol }, [1, 2, 3, 4])
  expect(tracker.pass(generic(GUEST, SERVER, 50)).flow).toBe(2)
  expect(tracker.pass(generic(SERVER, GUEST, 50)).flow).toBe(3)
  expect(left(tracker, 1)).toBe(600_000)
  expect(tracker.pass(generic(GUEST, SERVER, 47)).flow).toBe(4)
  expect(left(tracker, 2)).toBe(30_000)
  tracker.pass(generic(SERVER, GUEST, 47))
  tracker.pass(generic(SERVER, GUEST, 47))
  expect([left(tracker, 2), status(tracker, 2) & ASSURED]).toEqual([180_000, ASSURED])
})

it('keeps zones apart', () => {
  const tracker = new Tracker()
  tracker.pass(ask())
  tracker.packet.ingress.zone = 5
  expect(tracker.pass(answer()).state).toBe(NEW)
  expect(tracker.pass(ask()).flow).toBe(5)
  expect(tracker.flows.count).toBe(2)
})

it('takes timeouts by the names of the kernel', () => {
  expect(timeouts().length).toBe(timeouts({ tcpEstablished: 1 }).length)
  expect(timeouts({ tcpEstablished: 7, nonsense: 1 })[3]).toBe(7)
  expect(Math.max(...timeouts({ generic: 1e12 }))).toBeLessThan(2 ** 31)
})
