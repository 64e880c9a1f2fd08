/**
 * Whatever a port sends: nothing is thrown, nothing outside of the frame is read (what stands behind it never changes the
 * outcome), every frame is accounted for, and every frame slot comes home.
 */
import fc from 'fast-check'
import { afterAll, expect, it } from 'vitest'
import { broadcast, ethernet, hex, join, station } from '../lab/frame.ts'
import { Rig, type Sent } from '../lab/rig.ts'
import { type Ask, asking } from '../lab/super.ts'

interface Fed {
  frame: Uint8Array
  vnet: Uint8Array
}

const guard = { high: 0x0200, low: 1, addresses: [0x0a070001] }
const FILLERS = [0xa5, 0x00, 0xff]

/** Ports: a guarded and an open one that send, and receivers with all offloads, some and none. */
function rig(filler: number): Rig {
  const receivers = [{ mtu: 65521 }, { offloads: 1, mtu: 65521 }, { offloads: 0 }]
  const made = new Rig({ networks: [{ mtu: 9000 }], ports: [{}, { guard }, ...receivers], frames: 40 })
  for (let index = 0; index < 5; index++) made.feed(index).filler = filler
  return made
}

const rigs = FILLERS.map(rig)
afterAll(() => {
  for (const each of rigs) each.close()
})

const kinds: Ask['kind'][] = ['tcp4', 'tcp6', 'udp4', 'udp6']

/** Frames that are right, to be damaged. */
const right: fc.Arbitrary<Fed> = fc
  .record({
    kind: fc.constantFrom(...kinds),
    length: fc.nat(2000),
    size: fc.oneof(fc.constant(0), fc.nat(1500)),
    tags: fc.array(fc.tuple(fc.constantFrom(0x8100, 0x88a8), fc.nat(0xffff)), { maxLength: 3 }),
    known: fc.boolean(),
  })
  .map(({ kind, length, size, tags, known }) => {
    const to = known ? station(7) : broadcast
    return asking({ kind, payload: new Uint8Array(length).fill(3), size, tags, to, from: station(1) })
  })

const types = fc.constantFrom(0x0800, 0x0806, 0x86dd, 0x8100, 0x88a8, 0, 0xffff)

/** Frames that begin like one and go on anyhow, under a header of any ten bytes. */
const wild: fc.Arbitrary<Fed> = fc.record({
  frame: fc
    .tuple(types, fc.uint8Array({ maxLength: 150 }), fc.constantFrom(station(1), station(2), broadcast))
    .map(([type, rest, from]) => ethernet(broadcast, from, type, rest)),
  vnet: fc
    .tuple(
      fc.constantFrom(0, 1, 2, 3, 0xff),
      fc.constantFrom(0, 1, 3, 4, 5, 0x81, 0x85),
      fc.uint8Array({ minLength: 8, maxLength: 8 }),
    )
    .map(([flags, gso, rest]) => join([flags, gso], rest)),
})

const damage = fc.record({
  cut: fc.option(fc.nat(120), { nil: undefined, freq: 2 }),
  flips: fc.array(fc.tuple(fc.nat(100), fc.nat(255)), { maxLength: 3 }),
  lies: fc.array(fc.tuple(fc.nat(9), fc.nat(255)), { maxLength: 2 }),
})

const fed: fc.Arbitrary<Fed> = fc
  .tuple(fc.oneof(right, wild), damage)
  .map(([{ frame, vnet }, { cut, flips, lies }]) => {
    const made = { frame: frame.slice(0, cut), vnet: Uint8Array.from(vnet) }
    for (const [at, value] of flips) if (at < made.frame.length) made.frame[at] = value
    for (const [at, value] of lies) made.vnet[at] = value
    return made
  })

/** What happened to one frame: the drops everywhere, and what each receiver got. */
function outcome(lan: Rig, port: number, each: Fed): { drops: Record<string, number>[]; sent: Sent[][] } {
  const indices = [0, 1, 2, 3, 4]
  const before = indices.map((index) => lan.drops(index))
  lan.send(port, each)
  const drops = indices.map((index) => {
    const changed = Object.entries(lan.drops(index)).map(
      ([why, count]) => [why, count - (before[index][why] ?? 0)] as const,
    )
    return Object.fromEntries(changed.filter(([, count]) => count !== 0))
  })
  return { drops, sent: indices.map((index) => lan.taken(index)) }
}

/** What an egress is given must be such that the kernel behind it believes it. */
function believable({ frame, vnet }: Sent): boolean {
  const view = new DataView(vnet.buffer, vnet.byteOffset)
  const [headers, size, start, offset] = [2, 4, 6, 8].map((at) => view.getUint16(at, true))
  const gso = vnet[1] & 0x7f
  if ((vnet[0] & 1) !== 0 && start + offset + 2 > frame.length) return false
  // Linux reads the length of the headers even when nothing is asked for; the other fields mean nothing then.
  if (gso === 0) return vnet[0] <= 1 && vnet[1] === 0 && headers === 0
  return (
    [1, 4, 5].includes(gso) &&
    vnet[0] === 1 &&
    size > 0 &&
    headers < frame.length &&
    frame.length - headers > size
  )
}

function check(port: number, each: Fed): void {
  const [first, ...others] = rigs.map((lan) => outcome(lan, port, each))
  for (const other of others) {
    expect(other.drops).toEqual(first.drops)
    expect(other.sent.map((sent) => hex(sent.map(({ frame }) => frame)))).toEqual(
      first.sent.map((sent) => hex(sent.map(({ frame }) => frame))),
    )
  }
  const dropped = Object.values(first.drops[port]).reduce((sum, count) => sum + count, 0)
  const received = first.sent.filter((sent) => sent.length > 0).length
  if (dropped > 0) expect([dropped, received]).toEqual([1, 0])
  else {
    // It went to one port or to all others: sent there, or dropped there once.
    const reached = [0, 1, 2, 3, 4].filter(
      (index) => first.sent[index].length > 0 || Object.keys(first.drops[index]).length > 0,
    )
    expect([1, 4]).toContain(reached.length)
    for (const index of reached) {
      expect(first.sent[index].length > 0).toBe(Object.keys(first.drops[index]).length === 0)
    }
  }
  for (const sent of first.sent[2]) {
    expect(believable(sent)).toBe(true)
    // A sum that another port needed is complete for this one too; nothing else ever changes.
    if (sent.vnet[0] === 1 || (each.vnet[0] & 1) === 0) expect(sent.frame).toEqual(each.frame)
  }
  for (const sent of first.sent[4]) expect([...sent.vnet.subarray(0, 4)]).toEqual([0, 0, 0, 0])
  for (const lan of rigs) expect(lan.pool.free).toBe(lan.pool.count)
}

it('is accounted for', () => {
  for (const lan of rigs) lan.send(3, ethernet(station(9), station(7), 0x88b5, []))
  for (const lan of rigs) for (let index = 0; index < 5; index++) lan.taken(index)
  fc.assert(fc.property(fc.nat(1), fed, check), { numRuns: 4000 })
})
