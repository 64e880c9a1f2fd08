/**
 * `steady.ts TRAFFIC [RULES|none] [wasteful]`: warms a gateway up, then moves a million frames through conntrack and translation, half of
 * them from inside and half from outside, under rules of lab/statutes.ts, and says what the heap did meanwhile.
 */
import type { Arena } from '../../src/memory/arena.ts'
import { ERRORS, LENGTHS } from '../../src/memory/block.ts'
import type { Pool } from '../../src/memory/pool.ts'
import type { Queue } from '../../src/port/queue.ts'
import { HEAD, TAIL } from '../../src/table/chronicle.ts'
import { arp, ethernet } from '../lab/frame.ts'
import { House, OUTSIDE } from '../lab/house.ts'
import { measure } from '../lab/million.ts'
import { fill } from '../lab/ruling.ts'
import { SETS, STATUTES } from '../lab/statutes.ts'
import { ACK, query, SYN, split, tcp, udp } from '../lab/transport.ts'

const [traffic, rules = 'none', wasteful] = process.argv.slice(2)
const FLOWS = 100
/** What is seldom called, ARP, is compiled after so many rounds too. */
const WARM = 20
/** A packet that meets many rules the long way takes microseconds. */
const RULED_WARM = 3
const RULED = 200_000
const UPLINK = 4
const SERVER = '203.0.113.5:8000'
const guest = (flow: number) => `10.0.0.11:${5000 + flow}`
const outside = (flow: number) => `${OUTSIDE}:${5000 + flow}`
/** How often a station says that it is there, in frames. */
const SPEAKS = 100
const DESTINATION = 14 + 16
const CHECKSUM = 14 + 10
const SOURCE_PORT = 34

const isBridged = traffic === 'bridged'
const isLogged = traffic === 'logged'
const isNew = traffic === 'new' || isLogged
const house = new House({
  flows: 4096,
  bindings: 4096,
  timeouts: isNew ? { udp: 50 } : {},
  logged: isLogged,
  filterBridged: isBridged,
})
const payload = new Uint8Array(18)

/** Packets of both directions; what is for a connection makes it first. */
function packets(flow: number): [Uint8Array, Uint8Array] {
  const shape = { payload, sequence: 1001, acknowledged: 1001, fragment: 0 }
  if (traffic === 'tcp') {
    house.guest(0, tcp(guest(flow), SERVER, SYN))
    house.atOutside()
    house.outside(tcp(SERVER, outside(flow), SYN | ACK, { acknowledged: 1001 }))
    return [tcp(guest(flow), SERVER, ACK, shape), tcp(SERVER, outside(flow), ACK, shape)]
  }
  if (traffic === 'ping') return [query(guest(flow), SERVER), query(SERVER, outside(flow), 0)]
  return [udp(guest(flow), SERVER, shape), udp(SERVER, outside(flow), shape)]
}

/** Frames for each of the two ports, in turn. */
function templates(): Map<number, Uint8Array[]> {
  const both = Array.from({ length: FLOWS }, (_, flow) => packets(flow))
  const cut = (packet: Uint8Array) => (traffic === 'fragments' ? split(packet, 16) : [packet])
  const frames = (from: number, packet: Uint8Array) => {
    const { frame } = house.wrap(from, packet)
    // To a guest that is not there, so everybody gets it, or to another one.
    if (isBridged && from === 0) frame.set([1, 1 + (frame[35] & 3)], 4)
    return frame
  }
  const inside = both.flatMap(([packet]) => cut(packet)).map((packet) => frames(0, packet))
  const outer = both.flatMap(([, packet]) => cut(packet)).map((packet) => frames(-1, packet))
  return new Map([
    [0, inside],
    [UPLINK, outer],
  ])
}

/** What a station answers when it is asked who it is. */
function presence(frame: Uint8Array, address: string): Uint8Array {
  const [to, from] = [frame.subarray(0, 6), frame.subarray(6, 12)].map((mac) =>
    [...mac].map((byte) => byte.toString(16)).join(':'),
  )
  return ethernet(to, from, 0x0806, arp(2, [from, address], [to, '10.0.0.1']))
}

/** Writes frames where they lie, as a device would; swallows what is sent. */
class Source implements Queue {
  readonly fd = -1
  readonly quiet = true
  moved = 0
  last: object | null = null
  private readonly arena: Arena
  private readonly frames: Uint8Array[]
  private readonly present: Uint8Array
  private number = 0

  constructor(frames: Uint8Array[], present: Uint8Array) {
    this.arena = house.rig.arena
    this.frames = frames
    this.present = present
  }

  receive(pool: Pool, blockAt: number, capacity: number): number {
    const { i32 } = this.arena
    for (let i = 0; i < capacity; i++) {
      const frame = pool.take()
      i32[(blockAt >> 2) + i] = frame
      i32[(blockAt >> 2) + LENGTHS + i] = this.write(pool.frameAt(frame), this.number++)
      if (wasteful) this.last = { frame, before: null }
    }
    return capacity
  }

  private write(at: number, number: number): number {
    const { u8, view } = this.arena
    const frame = number % SPEAKS === 0 ? this.present : this.frames[number % this.frames.length]
    view.setInt32(at - 10, 0)
    u8.set(frame, at)
    if (isNew && frame !== this.present) this.renew(at, number)
    return frame.length
  }

  /** Another destination and source port, and the header's checksum (RFC 1624) for it; the datagram has none. */
  private renew(at: number, number: number): void {
    const { view } = this.arena
    view.setUint16(at + DESTINATION + 2, number)
    view.setUint8(at + DESTINATION + 1, number >>> 16)
    view.setUint16(at + SOURCE_PORT, 5000 + (number % 997))
    view.setUint16(at + SOURCE_PORT + 6, 0)
    let sum = 0
    view.setUint16(at + CHECKSUM, 0)
    for (let word = 14; word < 34; word += 2) sum += view.getUint16(at + word)
    sum = (sum & 0xffff) + (sum >>> 16)
    view.setUint16(at + CHECKSUM, ~((sum & 0xffff) + (sum >>> 16)))
  }

  transmit(blockAt: number, count: number): number {
    for (let i = 0; i < count; i++) this.arena.i32[(blockAt >> 2) + ERRORS + i] = 0
    this.moved += count
    return count
  }

  close(): void {}
}

const made = templates()
// The first packet makes the mapping, and stations are asked for.
for (const frame of made.get(0)!) house.rig.send(0, frame)
house.atOutside()
for (const frame of made.get(UPLINK)!) house.rig.send(UPLINK, frame)
house.atGuest(0)

if (rules !== 'none') {
  const sets = fill(house, SETS)
  house.rules(STATUTES[rules], (name) => {
    const held = sets.get(name)
    return held === undefined ? null : { name, type: held.made.type, at: held.at }
  })
}

const addresses = new Map([
  [0, '10.0.0.11'],
  [UPLINK, '198.51.100.1'],
])
const sources = new Map(
  [...made].map(([port, frames]) => [port, new Source(frames, presence(frames[0], addresses.get(port)!))]),
)
for (const [port, source] of sources) house.rig.port(port).queue = source
const others = [1, 2, 3].map(() => new Source([], new Uint8Array(0)))
others.forEach((other, n) => {
  house.rig.port(n + 1).queue = other
})

/** What was written down is read. */
function read(): void {
  const { i32 } = house.rig.arena
  const at = house.memory.chronicleAt >> 2
  Atomics.store(i32, at + TAIL, Atomics.load(i32, at + HEAD))
}

/** New flows come from inside only; else both sides take turns. */
function move(count: number): void {
  const { rig } = house
  const inside = sources.get(0)!
  const outer = sources.get(UPLINK)!
  for (let done = 0, turn = 0; done < count; turn++) {
    const isInside = turn % 2 === 0 || (isNew && turn % 16 !== 1)
    done += rig.dataplane.service(rig.port(isInside ? 0 : UPLINK), isInside ? inside : outer)
    if (isLogged) read()
    // The clock goes on a millisecond a burst, so expiry, questions and allowances work; but a record for the journal may cost something.
    if (rules !== 'told') rig.time = (rig.time + 1) | 0
  }
}

const moved = () => [...sources.values(), ...others].reduce((sum, source) => sum + source.moved, 0)
if (rules === 'none') measure(move, moved, WARM)
else measure(move, moved, RULED_WARM, RULED)
