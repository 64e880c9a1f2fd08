import { describe, expect, it } from 'vitest'
import { RX_BYTES, rowOf } from '../../src/memory/counters.ts'
import { broadcast, ethernet, hex, numbered, station } from '../lab/frame.ts'
import { Rig } from '../lab/rig.ts'

const all = ethernet(
  broadcast,
  station(1),
  0x8100,
  [0, 1, 0x88, 0xa8, 0, 2, 8, 0, 0x45, 0, 0, 20, 1, 2, 3, 4],
)

function rig(change = {}): Rig {
  const made = new Rig({ ports: [change, {}, { offloads: 0 }], frames: 140 })
  made.close()
  return made
}

describe('a frame of every length', () => {
  it('is dropped as a runt below an Ethernet header, and forwarded from there on', () => {
    for (let length = 0; length <= all.length; length++) {
      const lan = rig()
      lan.send(0, all.subarray(0, length))
      const passes = length >= 14
      expect(lan.drops(0), `${length} bytes`).toEqual(passes ? {} : { runt: 1 })
      expect(lan.outcome(), `${length} bytes`).toEqual(
        passes ? { 1: [all.subarray(0, length)], 2: [all.subarray(0, length)] } : {},
      )
      expect([lan.received(0), lan.pool.free]).toEqual([1, lan.pool.count])
    }
  })
  it('is dropped by name when it was longer than a slot', () => {
    const lan = rig()
    lan.send(0, { frame: new Uint8Array(100), length: -1 }, all)
    expect([lan.drops(0), lan.taken(1).length, lan.received(0)]).toEqual([{ truncated: 1 }, 1, 2])
  })
  it('counts no bytes for a frame that did not fit', () => {
    const lan = rig()
    lan.send(0, { frame: new Uint8Array(100), length: -1 }, all)
    expect(lan.counters[rowOf(0) + RX_BYTES]).toBe(all.length)
  })
})

describe('a burst', () => {
  it('of good and bad frames keeps the good ones, in order', () => {
    const lan = rig()
    const frames = Array.from({ length: 200 }, (_, i) => {
      const frame = numbered(broadcast, station(1), i, 60 + i)
      return i % 3 === 0 ? frame.subarray(0, i % 14) : frame
    })
    lan.send(0, ...frames)
    const good = hex(frames.filter((frame) => frame.length >= 14))
    for (const port of [1, 2]) expect(hex(lan.taken(port).map(({ frame }) => frame))).toEqual(good)
    expect([lan.drops(0), lan.received(0), lan.pool.free]).toEqual([{ runt: 67 }, 200, 140])
  })
  it('is as long as there are frames, and waits when there are none', () => {
    const lan = new Rig({ ports: [{}, {}], frames: 3 })
    lan.close()
    const frames = Array.from({ length: 10 }, (_, i) => numbered(broadcast, station(1), i))
    lan.send(0, ...frames)
    expect(hex(lan.taken(1).map(({ frame }) => frame))).toEqual(hex(frames))
    const held = [lan.pool.take(), lan.pool.take(), lan.pool.take()]
    lan.feed(0).fed.push({ frame: all })
    expect(lan.dataplane.service(lan.port(0), lan.feed(0))).toBe(0)
    expect(lan.feed(0).fed.length).toBe(1)
    for (const frame of held) lan.pool.give(frame)
    expect(lan.dataplane.service(lan.port(0), lan.feed(0))).toBe(1)
  })
  it('is counted by its length in seven buckets', () => {
    const lan = new Rig({ ports: [{}, {}] })
    lan.close()
    const frame = numbered(broadcast, station(1), 1)
    for (const count of [1, 2, 3, 4, 5, 8, 9, 33, 64]) lan.send(0, ...new Array(count).fill(frame))
    expect([...lan.counters.subarray(1, 10)]).toEqual([9, 129, 1, 1, 2, 2, 1, 0, 2])
  })
})
