import { describe, expect, it } from 'vitest'
import * as x from '../../src/chain/registers.ts'
import { Arena } from '../../src/memory/arena.ts'
import { ABSENT, DONE, EXISTS, FULL, keyOf, maskOf, UNFIT } from '../../src/table/entry.ts'
import { entries } from '../../src/table/roster.ts'
import { DIMENSION, RETURN_NOMATCH, SetTable } from '../../src/table/set.ts'
import * as shape from '../../src/table/shape.ts'
import { Random } from '../lab/random.ts'

const usual = { capacity: 64, timeoutMs: -1, netmask: 32, first: 0, last: 0 }
const SRC = DIMENSION
const DST = DIMENSION | 1
const SRC_DST = (2 * DIMENSION) | 2

/** An arena with slots; every call of `make` lays one set more. */
class Shelf {
  readonly arena = Arena.create(64 * 2 ** 20)
  private readonly slots = this.arena.allocate('slots', 4096).at
  private count = 0

  constructor() {
    this.arena.close()
  }

  make(made: Partial<shape.Shape> & { type: number }): { at: number; set: SetTable; body: Int32Array } {
    const whole = { ...usual, ...made }
    const length = shape.lengthOf(whole)
    const { at: body } = this.arena.allocate(`set/${this.count}`, length)
    shape.lay(this.arena, body, whole)
    const at = this.slots + shape.SLOT * this.count++
    this.arena.i32[at >> 2] = body >> 2
    return {
      at,
      set: new SetTable(this.arena, at),
      body: new Int32Array(this.arena.buffer, body, length / 4),
    }
  }
}

const shelf = new Shelf()
const ip = (text: string) => text.split('.').reduce((word, byte) => (word << 8) | Number(byte), 0)
const host = keyOf(32, 0, 0)

function packet(words: Partial<Record<number, number>>): Int32Array {
  const regs = new Int32Array(x.COUNT)
  for (const [word, value] of Object.entries(words)) regs[Number(word)] = value as number
  return regs
}

/** A TCP packet from 10.0.0.1:1000 to 10.0.0.2:80. */
const tcp = () =>
  packet({
    [x.SOURCE]: ip('10.0.0.1'),
    [x.DESTINATION]: ip('10.0.0.2'),
    [x.PROTOCOL]: 6,
    [x.PORTS]: (1000 << 16) | 80,
  })

describe('what rules ask', () => {
  it('an address of either side', () => {
    const { set } = shelf.make({ type: shape.HASH_IP })
    expect(set.add(ip('10.0.0.2'), host, 0, -1, false, 0)).toBe(DONE)
    expect(set.add(ip('10.0.0.2'), host, 0, -1, false, 0)).toBe(EXISTS)
    expect([set.meets(tcp(), SRC), set.meets(tcp(), DST)]).toEqual([false, true])
    expect(set.remove(ip('10.0.0.2'), host, 0)).toBe(DONE)
    expect(set.remove(ip('10.0.0.2'), host, 0)).toBe(ABSENT)
    expect(set.meets(tcp(), DST)).toBe(false)
  })

  it('an address cut by a netmask', () => {
    const { set } = shelf.make({ type: shape.HASH_IP, netmask: 24 })
    set.add(ip('10.0.0.0'), host, 0, -1, false, 0)
    expect([set.meets(tcp(), SRC), set.has(ip('10.0.1.1'), 0, 0, 0)]).toEqual([true, 0])
  })

  it('the longest network that holds an address decides, nomatch included', () => {
    const { set } = shelf.make({ type: shape.HASH_NET })
    set.add(ip('10.0.0.0'), keyOf(8, 0, 0), 0, -1, false, 0)
    set.add(ip('10.0.0.0'), keyOf(24, 0, 0), shape.NOMATCH, -1, false, 0)
    set.add(ip('10.0.0.2'), host, 0, -1, false, 0)
    expect(set.has(ip('10.1.2.3'), 0, 0, 0)).toBe(1)
    expect(set.has(ip('10.0.0.1'), 0, 0, 0)).toBe(-1)
    expect([set.meets(tcp(), SRC), set.meets(tcp(), DST)]).toEqual([false, true])
    expect([set.meets(tcp(), SRC | RETURN_NOMATCH), set.meets(tcp(), DST | RETURN_NOMATCH)]).toEqual([
      true,
      false,
    ])
    expect(set.holds(ip('10.0.0.0'), 8, 0, 0, 0)).toBe(1)
    expect(set.holds(ip('10.0.0.0'), 16, 0, 0, 0)).toBe(0)
  })

  it('an address with a port, both dimensions named; ICMP by type and code, other protocols as port 0', () => {
    const { set } = shelf.make({ type: shape.HASH_IP_PORT })
    set.add(ip('10.0.0.1'), keyOf(32, 80, 6), 0, -1, false, 0)
    set.add(ip('10.0.0.1'), keyOf(32, 8 << 8, 1), 0, -1, false, 0)
    set.add(ip('10.0.0.1'), keyOf(32, 0, 47), 0, -1, false, 0)
    expect([set.meets(tcp(), SRC_DST), set.meets(tcp(), 2 * DIMENSION), set.meets(tcp(), SRC)]).toEqual([
      true,
      false,
      false,
    ])
    const icmp = packet({ [x.SOURCE]: ip('10.0.0.1'), [x.PROTOCOL]: 1, [x.PORTS]: 8 << 8 })
    const gre = packet({ [x.SOURCE]: ip('10.0.0.1'), [x.PROTOCOL]: 47 })
    expect([set.meets(icmp, SRC_DST), set.meets(gre, SRC_DST)]).toEqual([true, true])
  })

  it('a network with a port', () => {
    const { set } = shelf.make({ type: shape.HASH_NET_PORT })
    set.add(ip('10.0.0.0'), keyOf(24, 80, 6), 0, -1, false, 0)
    set.add(ip('10.0.0.1'), keyOf(32, 80, 17), shape.NOMATCH, -1, false, 0)
    expect(set.meets(tcp(), SRC_DST)).toBe(true)
    expect(set.has(ip('10.0.0.1'), 80, 17, 0)).toBe(-1)
  })

  it('a port of a bitmap, of TCP and UDP alone', () => {
    const { set } = shelf.make({ type: shape.BITMAP_PORT, first: 80, last: 90 })
    expect(set.add(0, keyOf(32, 79, 0), 0, -1, false, 0)).toBe(UNFIT)
    expect(set.add(0, keyOf(32, 80, 0), 0, -1, false, 0)).toBe(DONE)
    expect(set.add(0, keyOf(32, 80, 0), 0, -1, false, 0)).toBe(EXISTS)
    expect([set.meets(tcp(), DST), set.meets(tcp(), SRC)]).toEqual([true, false])
    const sctp = tcp()
    sctp[x.PROTOCOL] = 132
    expect(set.meets(sctp, DST)).toBe(false)
  })

  it('members of a list in order, late and empty ones passed over', () => {
    const one = shelf.make({ type: shape.HASH_IP })
    const other = shelf.make({ type: shape.BITMAP_PORT, first: 0, last: 65_535 })
    const { set, body } = shelf.make({ type: shape.LIST_SET, capacity: 4 })
    body.set([one.at >> 2, 0, other.at >> 2, 500], shape.HEADER)
    body[shape.COUNT] = 2
    expect(set.meets(tcp(), DST)).toBe(false)
    other.set.add(0, keyOf(32, 80, 0), 0, -1, false, 0)
    expect(set.meets(tcp(), DST)).toBe(true)
    const later = tcp()
    later[x.NOW] = 500
    expect(set.meets(later, DST)).toBe(false)
    expect(set.admit(later, DST, -1, false)).toBe(DONE)
    expect([one.set.meets(later, DST), set.meets(later, DST), set.admit(later, DST, -1, false)]).toEqual([
      true,
      true,
      ABSENT,
    ])
  })

  it('no set at all', () => {
    const { set, at } = shelf.make({ type: shape.HASH_IP })
    shelf.arena.i32[at >> 2] = 0
    expect([
      set.meets(tcp(), SRC),
      set.admit(tcp(), SRC, -1, true),
      set.add(1, host, 0, -1, true, 0),
    ]).toEqual([false, UNFIT, UNFIT])
  })
})

describe('what SET does', () => {
  it('brings in what the packet has, and takes it out', () => {
    const { set } = shelf.make({ type: shape.HASH_IP_PORT, timeoutMs: 1000 })
    expect([set.admit(tcp(), SRC_DST, -1, false), set.admit(tcp(), SRC_DST, -1, false)]).toEqual([
      DONE,
      EXISTS,
    ])
    expect(set.has(ip('10.0.0.1'), 80, 6, 999)).toBe(1)
    expect(set.has(ip('10.0.0.1'), 80, 6, 1000)).toBe(0)
    expect(set.admit(tcp(), SRC_DST, 5000, true)).toBe(DONE)
    expect(set.has(ip('10.0.0.1'), 80, 6, 4999)).toBe(1)
    expect([set.expel(tcp(), SRC_DST), set.expel(tcp(), SRC_DST)]).toEqual([DONE, ABSENT])
    expect(set.admit(tcp(), SRC, -1, false)).toBe(UNFIT)
  })

  it('into a set of networks with the longest prefix in use', () => {
    const { set, at } = shelf.make({ type: shape.HASH_NET })
    set.add(ip('192.0.2.0'), keyOf(24, 0, 0), 0, -1, false, 0)
    expect(set.admit(tcp(), DST, -1, false)).toBe(DONE)
    expect(entries(shelf.arena, at, 0).map(({ address, key }) => [address, key >> 2])).toContainEqual([
      ip('10.0.0.0'),
      24,
    ])
  })

  it('never the null address', () => {
    const { set } = shelf.make({ type: shape.HASH_IP })
    expect(set.admit(packet({}), SRC, -1, false)).toBe(UNFIT)
  })
})

it('is full at its capacity, counts who found no room, and makes room of what is late', () => {
  const { set, body } = shelf.make({ type: shape.HASH_IP, capacity: 3, timeoutMs: 100 })
  for (const n of [1, 2, 3]) expect(set.add(n, host, 0, -1, false, n)).toBe(DONE)
  expect([set.add(4, host, 0, -1, false, 4), body[shape.REFUSED]]).toEqual([FULL, 1])
  expect([set.add(4, host, 0, 0, false, 101), set.count]).toEqual([DONE, 3])
  set.sweep(1 << 20, 2 ** 31 - 1)
  expect([set.count, set.has(4, 0, 0, 2 ** 31 - 1)]).toEqual([1, 1])
})

it('the clock may wrap', () => {
  const { set } = shelf.make({ type: shape.HASH_IP, timeoutMs: 2_147_483_000 })
  const now = 2 ** 31 - 5
  set.add(1, host, 0, -1, false, now)
  set.add(2, host, 0, 10, false, now)
  expect([
    set.has(1, 0, 0, now | 0),
    set.has(2, 0, 0, (now + 9) | 0),
    set.has(2, 0, 0, (now + 10) | 0),
  ]).toEqual([1, 1, 0])
  expect(set.has(1, 0, 0, (now + 2_147_482_999) | 0)).toBe(1)
})

/** What a set of any hash type is, said without any cleverness. */
class Model {
  readonly entries = new Map<string, { address: number; key: number; nomatch: number; deadline: number }>()

  living(now: number) {
    return [...this.entries.values()].filter(({ deadline }) => deadline === 0 || deadline > now)
  }

  has(type: number, address: number, port: number, protocol: number, now: number): number {
    const isNet = type === shape.HASH_NET || type === shape.HASH_NET_PORT
    let best = -1
    let found = 0
    for (const { key, nomatch, ...each } of this.living(now)) {
      const prefix = (key >>> 2) & 63
      const same = key >>> 16 === port && ((key >>> 8) & 255) === protocol
      if (!same || prefix <= best || (!isNet && prefix !== 32)) continue
      if ((address & maskOf(prefix)) !== each.address) continue
      best = prefix
      found = nomatch === 0 ? 1 : -1
    }
    return found
  }
}

const TYPES = [shape.HASH_IP, shape.HASH_NET, shape.HASH_IP_PORT, shape.HASH_NET_PORT]

it.each(TYPES)('type %i is what a plain map is, whatever comes and goes', (type) => {
  const seed = Number(process.env.SEED ?? 1)
  const random = new Random(seed + type)
  const isNet = type === shape.HASH_NET || type === shape.HASH_NET_PORT
  const hasPort = type === shape.HASH_IP_PORT || type === shape.HASH_NET_PORT
  for (const timeoutMs of [-1, 0, 300]) {
    const { set, at, body } = shelf.make({ type, timeoutMs, capacity: 200 })
    const model = new Model()
    let now = random.word() | 0
    const begin = now
    for (let step = 0; step < 8000; step++) {
      now = (now + random.below(3)) | 0
      const time = (now - begin) | 0
      const prefix = isNet ? 20 + random.below(13) : 32
      const anywhere = ip('10.0.0.0') + random.below(600)
      const address = anywhere & maskOf(prefix)
      const [port, protocol] = hasPort ? [random.below(2), random.of([6, 17])] : [0, 0]
      const key = keyOf(prefix, port, protocol)
      const name = `${address} ${key}`
      const old = model.entries.get(name)
      const isThere = old !== undefined && (old.deadline === 0 || old.deadline > time)
      const what = `seed ${seed}, step ${step}`
      if (random.once(2)) {
        const [renew, nomatch] = [random.once(2), isNet && random.once(4) ? shape.NOMATCH : 0]
        const timeout = random.of([-1, 0, 50])
        const answer = set.add(address, key, nomatch, timeout, renew, now)
        if (answer === FULL) expect(model.living(time).length, what).toBeGreaterThanOrEqual(200)
        else expect(answer, what).toBe(isThere && !renew ? EXISTS : DONE)
        const lasting = timeout < 0 ? Math.max(0, timeoutMs) : timeout
        const deadline = timeoutMs < 0 || lasting === 0 ? 0 : time + lasting
        if (answer === DONE) model.entries.set(name, { address, key, nomatch, deadline })
      } else if (random.once(3)) {
        expect(set.remove(address, key, now), what).toBe(isThere ? DONE : ABSENT)
        model.entries.delete(name)
      }
      if (random.once(50)) set.sweep(32, now)
      expect(set.has(anywhere, port, protocol, now), what).toBe(
        model.has(type, anywhere, port, protocol, time),
      )
    }
    const time = (now - begin) | 0
    const plain = (list: { address: number; key: number }[]) =>
      list.map((e) => `${e.address} ${e.key}`).sort()
    expect(plain(entries(shelf.arena, at, now))).toEqual(plain(model.living(time)))
    set.sweep(1 << 20, now)
    expect(set.count).toBe(model.living(time).length)
    for (const { address, key } of model.living(time)) set.remove(address, key, now)
    expect([set.count, body[shape.LENGTHS]]).toEqual([0, 0])
    expect(
      [...body.subarray(shape.HEADER)].filter((_, i) => i % (timeoutMs < 0 ? 2 : 4) === shape.META),
    ).toEqual(new Array(512).fill(shape.EMPTY))
  }
})

it('65,536 entries that come and go leave no longer probes than they found', () => {
  const { set } = shelf.make({ type: shape.HASH_IP, capacity: 65_536 })
  const address = (i: number) => Math.imul(i + 1, 2_654_435_761) | 0
  for (let i = 0; i < 65_536; i++) expect(set.add(address(i), host, 0, -1, false, 0)).toBe(DONE)
  for (let i = 65_536; i < 300_000; i++) {
    if (set.remove(address(i - 65_536), host, 0) !== DONE) throw new Error(`${i} was lost`)
    if (set.add(address(i), host, 0, -1, false, 0) !== DONE) throw new Error(`${i} found no room`)
  }
  expect(set.count).toBe(65_536)
  expect([set.has(address(300_000), 0, 0, 0), set.has(address(299_999), 0, 0, 0)]).toEqual([0, 1])
})
