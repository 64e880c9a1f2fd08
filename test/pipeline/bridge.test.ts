import { describe, expect, it } from 'vitest'
import { rowOf, TX_BYTES } from '../../src/memory/counters.ts'
import type { FixedMac } from '../../src/pipeline/program.ts'
import { GATEWAY, HOST, STATIC } from '../../src/table/mac.ts'
import { broadcast, ethernet, mac, numbered, station } from '../lab/frame.ts'
import { type Options, Rig } from '../lab/rig.ts'

let number = 0
/** A frame from one station to another, none like it before. */
const frame = (to: string, from: string) => numbered(to, from, ++number)
const hello = (from: string) => frame(broadcast, from)

function rig(options: Options): Rig {
  const made = new Rig(options)
  made.close()
  return made
}

const four = { ports: [{}, {}, {}, {}] }

function fixed(text: string, port: number, kind: number): FixedMac {
  const bytes = mac(text)
  return {
    high: (bytes[0] << 8) | bytes[1],
    low: new DataView(Uint8Array.from(bytes).buffer).getInt32(2),
    port,
    kind,
  }
}

describe('learning', () => {
  it('sends to the port where a station was seen, and to all others until then', () => {
    const lan = rig(four)
    const first = frame(station(2), station(1))
    lan.send(0, first)
    expect(lan.outcome()).toEqual({ 1: [first], 2: [first], 3: [first] })
    const answer = frame(station(1), station(2))
    lan.send(2, answer)
    expect(lan.outcome()).toEqual({ 0: [answer] })
    const second = frame(station(2), station(1))
    lan.send(0, second)
    expect(lan.outcome()).toEqual({ 2: [second] })
  })
  it('knows the sources of a burst before it looks for the destinations', () => {
    const lan = rig(four)
    lan.send(1, hello(station(1)))
    lan.outcome()
    lan.send(0, frame(station(1), station(2)), frame(station(2), station(1)))
    expect(Object.keys(lan.outcome())).toEqual(['1'])
    expect(lan.drops(0)).toEqual({ same_port: 1 })
  })
  it('follows a station that moves, with one frame', () => {
    const lan = rig(four)
    lan.send(0, hello(station(1)))
    lan.send(1, hello(station(1)))
    lan.outcome()
    lan.send(3, frame(station(1), station(9)))
    expect(Object.keys(lan.outcome())).toEqual(['1'])
    expect([...lan.macs().perPort.subarray(0, 4)]).toEqual([0, 1, 0, 1])
  })
  it('forgets a station that was silent for longer than the ageing time', () => {
    const lan = rig({ ...four, networks: [{ ageingMs: 2000 }] })
    lan.send(0, hello(station(1)))
    lan.time += 2000
    lan.outcome()
    lan.send(1, frame(station(1), station(2)))
    expect(Object.keys(lan.outcome())).toEqual(['0'])
    lan.time += 1
    lan.send(1, frame(station(1), station(2)))
    expect(Object.keys(lan.outcome())).toEqual(['0', '2', '3'])
    for (let i = 0; i < 4; i++) lan.time += 1000
    expect(lan.macs().count).toBe(0)
  })
  it('drops what a group or nobody sent, and learns nothing of it', () => {
    const lan = rig(four)
    for (const source of ['01:00:5e:00:00:01', broadcast, '03:00:00:00:00:00', '00:00:00:00:00:00']) {
      lan.send(0, hello(source), frame(station(1), source))
    }
    expect(lan.outcome()).toEqual({})
    expect([lan.drops(0), lan.macs().count]).toEqual([{ bad_source: 8 }, 0])
  })
  it.each([STATIC, HOST, GATEWAY])('does not let another port take a MAC of kind %d', (kind) => {
    const lan = rig({ ...four, networks: [{ fixed: [fixed(station(1), 0, kind)] }] })
    lan.time += 10 * 300_000
    lan.send(1, hello(station(1)), frame(station(1), station(1)))
    expect([lan.outcome(), lan.drops(1)]).toEqual([{}, { source_protected: 2 }])
    const good = frame(station(1), station(2))
    lan.send(1, good)
    lan.send(0, hello(station(1)))
    expect(lan.outcome()[0]).toEqual([good])
    expect([lan.drops(0), lan.macs().count]).toEqual([{}, 2])
  })
  it('still forwards when the table is full, and counts what it could not learn', () => {
    const lan = rig({ ...four, networks: [{ macCapacity: 16 }] })
    for (let i = 1; i <= 20; i++) lan.send(0, hello(station(i)))
    expect([lan.macs().count, lan.unlearned(0), lan.drops(0)]).toEqual([16, 4, {}])
    expect(lan.outcome()[1].length).toBe(20)
    lan.send(1, frame(station(20), station(30)), frame(station(16), station(30)))
    expect(Object.entries(lan.outcome()).map(([port, frames]) => [port, frames.length])).toEqual([
      ['0', 2],
      ['2', 1],
      ['3', 1],
    ])
    expect(lan.unlearned(1)).toBe(2)
  })
  it('lets a port use as many MACs as macLimit says, known ones for ever', () => {
    const lan = rig({ ports: [{ macLimit: 2 }, {}] })
    lan.send(0, hello(station(1)), hello(station(2)), hello(station(3)), hello(station(1)), hello(station(4)))
    expect([lan.outcome()[1].length, lan.drops(0), lan.macs().count]).toEqual([3, { mac_limit: 2 }, 2])
    // One that moves away makes room; one that would move here needs it.
    lan.send(1, hello(station(2)))
    lan.send(0, hello(station(3)), hello(station(2)))
    expect([lan.outcome()[1].length, lan.drops(0)]).toEqual([1, { mac_limit: 3 }])
  })
})

describe('forwarding', () => {
  it('does not send back to where it came from', () => {
    const lan = rig(four)
    lan.send(0, hello(station(1)), hello(station(2)))
    lan.outcome()
    lan.send(0, frame(station(1), station(2)), frame(station(2), station(2)))
    expect([lan.outcome(), lan.drops(0)]).toEqual([{}, { same_port: 2 }])
  })
  it.each([
    ['01:80:c2:00:00:00', false],
    ['01:80:c2:00:00:0f', false],
    ['01:80:c2:00:00:10', true],
    ['01:80:c2:00:01:00', true],
    ['01:80:c3:00:00:00', true],
    ['01:00:5e:00:00:01', true],
    ['33:33:00:00:00:01', true],
    [broadcast, true],
  ])('a frame to %s passes: %s', (to, passes) => {
    const lan = rig({ ports: [{}, {}] })
    const sent = frame(to, station(1))
    lan.send(0, sent)
    expect(lan.outcome()).toEqual(passes ? { 1: [sent] } : {})
    expect(lan.drops(0)).toEqual(passes ? {} : { reserved_multicast: 1 })
  })
  it('takes no group for a station that was removed', () => {
    const lan = rig({ ports: [{ floodLimit: 1 }, {}] })
    const macs = lan.macs()
    // A station that begins where the group begins; while something stands behind its place, its place stays marked.
    let low = 1
    while (macs['home'](0x0200, low) !== macs['home'](0x0100, low)) low++
    macs.insert(0x0200, low, 1, STATIC, 0)
    let next = low + 1
    while (macs['home'](0x0200, next) !== macs['home'](0x0200, low)) next++
    macs.insert(0x0200, next, 1, STATIC, 0)
    macs.remove(macs.find(0x0200, low))
    const group = ['01', '00', ...low.toString(16).padStart(8, '0').match(/../g)!].join(':')
    lan.send(0, frame(group, station(1)), frame(group, station(1)))
    expect([lan.outcome()[1].length, lan.drops(0)]).toEqual([1, { flood_limit: 1 }])
  })
  it('says that there is nobody else', () => {
    const lan = rig({ ports: [{}] })
    lan.send(0, hello(station(1)))
    expect(lan.drops(0)).toEqual({ no_destination: 1 })
  })
  it.each([
    [[[0x8100, 0x0fff]]],
    [
      [
        [0x88a8, 100],
        [0x8100, 200],
      ],
    ],
    [
      [
        [0x8100, 1],
        [0x8100, 2],
        [0x8100, 3],
      ],
    ],
  ] as [number, number][][][])('carries tags %j untouched', (tags) => {
    const lan = rig({ ports: [{}, {}] })
    const tagged = ethernet(station(2), station(1), 0x0800, new Array(1500).fill(0x5a), tags.slice(0, 2))
    const short = ethernet(station(2), station(1), 0x86dd, new Array(40).fill(1), tags)
    lan.send(0, tagged, short)
    expect([lan.outcome(), lan.drops(1)]).toEqual([{ 1: [tagged, short] }, {}])
  })
  it('keeps networks closed to each other: tables, floods, known stations', () => {
    const lan = rig({ networks: [{}, {}], ports: [{}, {}, { network: 2 }, { network: 2 }] })
    lan.send(0, hello(station(1)))
    lan.send(2, hello(station(2)))
    expect(Object.entries(lan.outcome()).map(([port]) => port)).toEqual(['1', '3'])
    const across = frame(station(2), station(1))
    const own = frame(station(1), station(3))
    lan.send(0, across)
    lan.send(3, own)
    expect(lan.outcome()).toEqual({ 1: [across], 2: [own] })
    expect([lan.macs(1).count, lan.macs(2).count]).toEqual([1, 2])
  })
  it('counts what an egress does not take, by what it says', () => {
    const lan = rig({ ports: [{}, {}] })
    const reasons = {
      egress_full: [11, 105, 12],
      egress_down: [5, 100, 6, 77],
      not_ip: [97],
      egress_refused: [22, 90],
    }
    for (const errno of Object.values(reasons).flat()) {
      Object.assign(lan.feed(1), { room: 1, errno })
      lan.send(0, hello(station(1)), hello(station(1)))
      expect(lan.taken(1).length).toBe(1)
    }
    expect(lan.drops(1)).toEqual({ egress_full: 3, egress_down: 4, not_ip: 1, egress_refused: 2 })
    expect([lan.received(0), lan.transmitted(1), lan.pool.free]).toEqual([20, 10, lan.pool.count])
    expect(lan.counters[rowOf(1) + TX_BYTES]).toBe(10 * 60)
  })
})

describe('isolation', () => {
  /** Two isolated ports, two open ones, and the gateway's. */
  const ports = [{ isolated: true }, { isolated: true }, {}, {}, { gateway: true }]
  it('lets an isolated port reach the gateway and nobody else, by flood and by address, both ways', () => {
    const reached = ports.map((_, from) => {
      const lan = rig({ ports })
      lan.send(from, hello(station(from + 1)))
      return Object.keys(lan.outcome()).join('')
    })
    expect(reached).toEqual(['4', '4', '34', '24', '0123'])
    const lan = rig({ ports })
    for (const index of ports.keys()) lan.send(index, hello(station(index + 1)))
    lan.outcome()
    const known = ports.map((_, from) => {
      for (let to = 0; to < 5; to++)
        if (to !== from) lan.send(from, frame(station(to + 1), station(from + 1)))
      return Object.keys(lan.outcome()).join('')
    })
    expect(known).toEqual(reached)
    expect(ports.map((_, index) => lan.drops(index).isolated ?? 0)).toEqual([3, 3, 2, 2, 0])
  })
  it('has no destination when there is no gateway', () => {
    const lan = rig({ ports: [{ isolated: true }, {}] })
    lan.send(0, hello(station(1)))
    lan.send(1, hello(station(2)))
    expect([lan.outcome(), lan.drops(0), lan.drops(1)]).toEqual([
      {},
      { no_destination: 1 },
      { no_destination: 1 },
    ])
  })
})

describe('floodLimit', () => {
  it('is a bucket of a second that fills with time, over the end of int32 too', () => {
    for (const begin of [1000, 2 ** 31 - 1200]) {
      const lan = rig({ ports: [{ floodLimit: 10 }, {}] })
      lan.time = begin
      const burst = (count: number) => {
        lan.send(0, ...Array.from({ length: count }, () => hello(station(1))))
        return (lan.outcome()[1] ?? []).length
      }
      expect(burst(15)).toBe(10)
      lan.time = (begin + 99) | 0
      expect(burst(5)).toBe(0)
      lan.time = (begin + 250) | 0
      expect(burst(5)).toBe(2)
      lan.time = (begin + 300) | 0
      expect(burst(5)).toBe(1)
      lan.time = (begin + 9000) | 0
      expect(burst(15)).toBe(10)
      expect(lan.drops(0)).toEqual({ flood_limit: 5 + 5 + 3 + 4 + 5 })
    }
  })
  it('counts broadcast, multicast and unknown stations, not known ones', () => {
    const lan = rig({ ports: [{ floodLimit: 3 }, {}] })
    lan.send(1, hello(station(2)))
    lan.outcome()
    for (const to of [broadcast, '33:33:00:00:00:01', station(9), station(2), broadcast, station(2)]) {
      lan.send(0, frame(to, station(1)))
    }
    expect([lan.outcome()[1].length, lan.drops(0)]).toEqual([5, { flood_limit: 1 }])
  })
  it('fills on a machine that has been up for 30 days, when the clock is negative', () => {
    const lan = rig({ ports: [{ floodLimit: 2 }, {}] })
    const begin = -1_700_000_000
    for (let second = 0; second < 3; second++) {
      lan.time = begin + 1000 * second
      lan.send(0, hello(station(1)), hello(station(1)))
    }
    expect([lan.outcome()[1].length, lan.drops(0)]).toEqual([6, {}])
  })
})
