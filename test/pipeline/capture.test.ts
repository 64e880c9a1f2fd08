import { describe, expect, it } from 'vitest'
import type { CaptureProgram } from '../../src/pipeline/program.ts'
import { STATIC } from '../../src/table/mac.ts'
import { broadcast, hex, numbered, numberOf, station } from '../lab/frame.ts'
import { Random } from '../lab/random.ts'
import { type Options, Rig } from '../lab/rig.ts'
import { type Played, Tape } from '../lab/tape.ts'

let number = 0
const frame = (to: string, from: string, length = 60) => numbered(to, from, ++number, length)
const four = { ports: [{}, {}, {}, {}] }
const BOTH = 3

/** A rig, and a capture of ports 0 and 1 in it unless said otherwise. */
function scene(change: Partial<CaptureProgram> = {}, options: Options = four) {
  const rig = new Rig(options)
  rig.close()
  const tape = new Tape(rig.arena, change.words ?? 65_536)
  const ports = [0, 1].map((index): [number, number] => [index, index + 1])
  const rest = { snap: 262_144, directions: BOTH, drops: false, filter: null, ports }
  const program = { at: tape.at, words: tape.words, ...rest, ...change }
  rig.swap.capture(0, program)
  return { rig, tape, program }
}

const brief = (played: Played[]) =>
  played.map(({ port, direction, bytes, reason }) => [port, direction, bytes, reason])

describe('a capture', () => {
  it('has frames as they come and go, in order, by port and direction, with the time', () => {
    const { rig, tape } = scene()
    const before = BigInt(Date.now()) * 1_000_000n
    const hello = frame(broadcast, station(1))
    const answer = frame(station(1), station(2))
    rig.send(0, hello)
    rig.send(1, answer)
    const [first, flooded, second] = hex([hello, hello, answer])
    const played = tape.play()
    expect(brief(played)).toEqual([
      [0, 'in', first, null],
      [1, 'out', flooded, null],
      [1, 'in', second, null],
      [0, 'out', second, null],
    ])
    for (const { nanoseconds, length } of played) {
      expect(length).toBe(60)
      expect(nanoseconds).toBeGreaterThanOrEqual(before - 1_000_000n)
      expect(nanoseconds).toBeLessThan(before + 10_000_000_000n)
    }
  })
  it('takes one direction if that is asked for, and keeps as many bytes', () => {
    const { rig, tape } = scene({ directions: 1, snap: 21 })
    const long = frame(broadcast, station(1), 1000)
    rig.send(0, long)
    expect(tape.play()).toMatchObject([
      { port: 0, direction: 'in', length: 1000, bytes: hex([long])[0].slice(0, 42) },
    ])
  })
  it('asks its filter about the whole frame', () => {
    // ld [14]; jeq #number: numbered() has its number there
    const wanted = number + 2
    const filter = Int32Array.from([0x20, 14, 0x15 | (1 << 24), wanted, 0x06, 262_144, 0x06, 0])
    const { rig, tape } = scene({ filter })
    rig.send(0, frame(broadcast, station(1)), frame(broadcast, station(1)), frame(broadcast, station(1)))
    expect(tape.play().map(({ port, direction }) => [port, direction])).toEqual([
      [0, 'in'],
      [1, 'out'],
    ])
  })
  it('finds all that its filter lets through, and nothing else, on the way in and out', () => {
    const random = new Random(47)
    // ld [14]; and #15; jeq #3
    const filter = Int32Array.from([0x20, 14, 0x54, 15, 0x15 | (1 << 24), 3, 0x06, 65_535, 0x06, 0])
    const { rig, tape } = scene({ filter, ports: [0, 1, 2].map((index) => [index, index + 1]) })
    for (let round = 0; round < 300; round++) {
      const length = 1 + random.below(random.once(2) ? 4 : 70)
      const sent = Array.from({ length }, () => frame(station(random.below(5)), station(random.below(5))))
      rig.feed(1).room = random.once(4) ? random.below(5) : Number.POSITIVE_INFINITY
      rig.send(random.below(4), ...sent)
      const out = rig.outcome()
      const isWanted = (each: Uint8Array) => numberOf(each) % 16 === 3
      const played = tape.play()
      for (const index of [0, 1, 2]) {
        const left = played.filter(
          ({ port, direction, reason }) => port === index && direction === 'out' && reason === null,
        )
        expect(left.map(({ bytes }) => bytes)).toEqual(hex((out[index] ?? []).filter(isWanted)))
      }
      for (const { direction, bytes } of played)
        if (direction === 'in') expect(hex(sent.filter(isWanted))).toContain(bytes)
    }
    expect(rig.drops(1).egress_full).toBeGreaterThan(0)
  })
  it('ends, and goes on with other ports', () => {
    const { rig, tape, program } = scene()
    rig.send(2, frame(broadcast, station(3)))
    expect(tape.play()).toHaveLength(2)
    rig.swap.capture(0, { ...program, ports: [[2, 3]] })
    rig.send(2, frame(broadcast, station(3)))
    expect(tape.play()).toMatchObject([{ port: 2, direction: 'in' }])
    rig.swap.capture(0, null)
    rig.send(2, frame(broadcast, station(3)))
    expect(tape.play()).toEqual([])
    expect(rig.port(2).watched).toBe(0)
  })
  it('does not see a port that took the place of another', () => {
    const { rig, tape } = scene()
    rig.programs[0] = { ...rig.programs[0], incarnation: 77 }
    rig.apply()
    rig.send(0, frame(broadcast, station(1)))
    expect(tape.play()).toMatchObject([{ port: 1, direction: 'out' }])
  })
  it('shares ports with others', () => {
    const { rig, tape, program } = scene()
    const second = new Tape(rig.arena, 4096, 'second')
    rig.swap.capture(3, { ...program, at: second.at, words: second.words, ports: [[1, 2]], snap: 14 })
    rig.send(0, frame(broadcast, station(1)))
    expect(tape.play()).toHaveLength(2)
    expect(second.play()).toMatchObject([{ port: 1, direction: 'out', length: 60 }])
  })
})

describe('a frame that is dropped', () => {
  it('says why where it came in', () => {
    const { rig, tape } = scene({}, { ports: [{ isolated: true }, { isolated: true }] })
    rig.send(0, frame(station(2), '00:00:00:00:00:00'), frame(broadcast, station(1)))
    expect(tape.play()).toMatchObject([
      { port: 0, direction: 'in', reason: 'bad_source' },
      { port: 0, direction: 'in', reason: 'no_destination' },
    ])
  })
  it('says why where its network is another worker’s, and of no frame before it', () => {
    const { rig, tape } = scene()
    rig.send(0, frame(broadcast, station(1)))
    rig.networks = rig.networks.map((network) => ({ ...network, worker: 1 }))
    rig.apply()
    rig.send(0, new Uint8Array(5))
    expect(tape.play().map(({ port, direction, reason }) => [port, direction, reason])).toEqual([
      [0, 'in', null],
      [1, 'out', null],
      [0, 'in', 'runt'],
    ])
  })
  it('says why where it could not leave', () => {
    const { rig, tape } = scene({}, { ports: [{}, { mtu: 100 }, {}] })
    rig.feed(1).room = 1
    rig.send(0, frame(broadcast, station(1)), frame(broadcast, station(1)), frame(broadcast, station(1), 500))
    const out = tape.play().filter(({ direction }) => direction === 'out')
    expect(out.map(({ reason, length }) => [reason, length])).toEqual([
      ['oversize', 500],
      [null, 60],
      ['egress_full', 60],
    ])
  })
  it('is all that a capture of drops sees', () => {
    const { rig, tape } = scene({ drops: true }, { ports: [{}, {}, {}] })
    rig.feed(1).room = 1
    const fixed = { high: 0x0200, low: 9, port: 2, kind: STATIC }
    rig.networks = rig.networks.map((network) => ({ ...network, fixed: [fixed] }))
    rig.apply()
    rig.send(0, frame(broadcast, station(1)), frame(broadcast, station(1)), frame(broadcast, station(9)))
    expect(brief(tape.play()).map(([port, direction, , reason]) => [port, direction, reason])).toEqual([
      [1, 'out', 'egress_full'],
      [0, 'in', 'source_protected'],
    ])
  })
})

describe('a reader that is slow', () => {
  it('loses frames of the capture, counted, and none of the traffic', () => {
    const { rig, tape } = scene({ words: 1024 })
    for (let i = 0; i < 100; i++) rig.send(0, frame(broadcast, station(1)))
    expect(rig.outcome()[1]).toHaveLength(100)
    const seen = tape.play().length
    expect(seen).toBeGreaterThan(30)
    expect(seen + tape.lost).toBe(200)
    rig.send(0, frame(broadcast, station(1)))
    expect(tape.play()).toHaveLength(2)
  })
  it('loses a frame once that is dropped as well', () => {
    const { rig, tape } = scene({ words: 1024 }, { ports: [{ isolated: true }, { isolated: true }] })
    for (let i = 0; i < 100; i++) rig.send(0, frame(broadcast, station(1)))
    const played = tape.play()
    expect(played.length).toBeGreaterThan(30)
    expect(played.every(({ reason }) => reason === 'no_destination')).toBe(true)
    expect(played.length + tape.lost).toBe(100)
  })
  it('finds whole records only, whatever was sent and however seldom it reads', () => {
    const random = new Random(20_261_121)
    const { rig, tape } = scene({ words: 4096 }, { ports: [{ macLimit: 3 }, {}, {}] })
    const heads = { in: [] as string[], out: [] as string[] }
    let seen = 0
    let sent = 0
    for (let round = 0; round < 2000; round++) {
      const burst = Array.from({ length: 1 + random.below(9) }, () =>
        frame(
          random.once(3) ? broadcast : station(random.below(5)),
          station(random.below(5)),
          60 + random.below(900),
        ),
      )
      rig.feed(1).room = random.once(4) ? random.below(3) : Number.POSITIVE_INFINITY
      const from = random.below(2)
      rig.send(from, ...burst)
      sent += burst.length
      const out = rig.outcome()
      heads.in.push(...hex(burst))
      heads.out.push(...hex(out[0] ?? []), ...hex(out[1] ?? []))
      if (random.once(3)) continue
      const played = tape.play(random.once(5))
      seen += played.length
      for (const { direction, bytes, reason } of played) {
        if (reason === null || direction === 'in') expect(heads[direction]).toContain(bytes)
      }
      tape.catchUp()
      heads.in = []
      heads.out = []
    }
    expect(seen).toBeGreaterThan(sent / 4)
    expect(tape.lost).toBeGreaterThan(0)
  })
})
