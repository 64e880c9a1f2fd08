import { describe, expect, it } from 'vitest'
import { ethernet, station } from '../lab/frame.ts'
import { Rig } from '../lab/rig.ts'
import { type Ask, asking } from '../lab/super.ts'

/** A frame with a packet of `length` bytes behind `tags` tags. */
function plain(length: number, tags: number): Uint8Array {
  const shims = new Array(tags).fill([0x8100, 7]) as [number, number][]
  return ethernet(station(2), station(1), 0x0800, new Array(length).fill(0x5a), shims)
}

function send(rig: Rig, fed: Uint8Array | { frame: Uint8Array; vnet: Uint8Array }): string {
  rig.close()
  rig.send(0, fed)
  expect(rig.pool.free).toBe(rig.pool.count)
  const where = rig.taken(1).length > 0 ? 'passes' : ''
  return `${where}${Object.keys(rig.drops(0)).map((why) => `${why} in`)}${Object.keys(rig.drops(1)).map((why) => `${why} out`)}`
}

describe('the MTU', () => {
  const cases = [0, 1, 2].flatMap((tags) => [
    [1500, tags, 1500, 1500, 'passes'],
    [1501, tags, 1500, 1500, 'oversize in'],
    [1400, tags, 1500, 1400, 'passes'],
    [1401, tags, 1500, 1400, 'oversize out'],
    [9000, tags, 9000, 9000, 'passes'],
    [65521, tags, 65521, 65521, 'passes'],
  ]) as [number, number, number, number, string][]
  it.each(cases)(
    '%d bytes behind %d tags, network %d, port %d: %s',
    (length, tags, network, port, expected) => {
      const rig = new Rig({ networks: [{ mtu: network }], ports: [{ mtu: network }, { mtu: port }] })
      expect(send(rig, plain(length, tags))).toBe(expected)
    },
  )
  it('does not count a third tag as one', () => {
    const rig = new Rig({ ports: [{}, {}] })
    expect(send(rig, plain(1497, 3))).toBe('oversize in')
  })
  it('does not keep a frame from the other members of a flood', () => {
    const rig = new Rig({ ports: [{}, { mtu: 1400 }, {}] })
    rig.close()
    rig.send(0, plain(1450, 0))
    expect([rig.taken(1).length, rig.taken(2).length, rig.drops(1)]).toEqual([0, 1, { oversize: 1 }])
  })
})

describe('the MTU of a super-frame', () => {
  const mss = { tcp4: 1460, tcp6: 1440, udp4: 1472, udp6: 1452 }
  const cases = (Object.keys(mss) as Ask['kind'][]).flatMap((kind) =>
    [0, 1, 2].flatMap((tags) => [31, 0].map((offloads) => [kind, tags, offloads] as const)),
  )
  it.each(cases)('%s behind %d tags, offloads %d: counts headers and one segment', (kind, tags, offloads) => {
    const shims = new Array(tags).fill([0x8100, 7]) as [number, number][]
    const ask = (size: number, length = 20_000) =>
      asking({ kind, payload: new Uint8Array(length).fill(7), size, tags: shims })
    const rig = (port = 1500) => new Rig({ ports: [{ offloads }, { mtu: port, offloads }] })
    expect(send(rig(), ask(mss[kind]))).toBe('passes')
    expect(send(rig(), ask(mss[kind] + 1))).toBe('oversize in')
    expect(send(rig(1400), ask(mss[kind] - 100))).toBe('passes')
    expect(send(rig(1400), ask(mss[kind] - 99))).toBe('oversize out')
    // A segment size beyond the payload says nothing about the packet.
    expect(send(rig(), ask(60_000, mss[kind]))).toBe('passes')
    expect(send(rig(), ask(60_000, mss[kind] + 1))).toBe('oversize in')
  })
})
