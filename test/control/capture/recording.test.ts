/** What becomes of workers' records: written into the rings by the test, read back from the stream. */
import { Writable } from 'node:stream'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { Tally } from '../../../src/cli/capture/tally.ts'
import { Pace } from '../../../src/control/capture/pace.ts'
import { Recording, type Watched } from '../../../src/control/capture/recording.ts'
import { Reel } from '../../../src/control/capture/reel.ts'
import { Arena } from '../../../src/memory/arena.ts'
import { REASONS } from '../../../src/pipeline/reason.ts'
import * as record from '../../../src/pipeline/record.ts'
import { readCapture } from '../../lab/pcapng.ts'

const WORDS = 256
const arena = Arena.create(2 ** 20)
afterAll(() => arena.close())

/** The writing end, as record.ts says it. */
class Writer {
  private readonly at: number
  private head = 0

  constructor(at: number) {
    this.at = at >> 2
  }

  /** False if there is no room. */
  write(port: number, time: bigint, frame: Uint8Array, why = -1, rule = 0): boolean {
    const { i32, u8 } = arena
    const size = Math.ceil(frame.length / 4) + record.OVERHEAD
    const place = this.head & (WORDS - 1)
    const skipped = place + size > WORDS ? WORDS - place : 0
    if (this.head + skipped + size - Atomics.load(i32, this.at + record.TAIL) > WORDS) {
      i32[this.at + record.LOST]++
      return false
    }
    const ring = this.at + record.HEADER
    if (skipped > 0) i32[ring + place] = record.WRAP
    const at = skipped > 0 ? ring : ring + place
    const type = record.BLOCK | ((1 + why) << record.REASON_SHIFT)
    i32.set(
      [type, size * 4, port, Number(time >> 32n), Number(time & 0xffffffffn), frame.length, frame.length],
      at,
    )
    i32.fill(0, at + record.FRAME_AT, at + size - record.OPTIONS)
    u8.set(frame, (at + record.FRAME_AT) * 4)
    i32.set([record.FLAGS, record.INBOUND, rule, size * 4], at + size - record.OPTIONS)
    this.head += skipped + size
    Atomics.store(i32, this.at + record.HEAD, this.head)
    return true
  }
}

const port = (index: number, name: string, incarnation = index): Watched => ({
  index,
  incarnation,
  name,
  description: 'tap, network lab',
})

describe('a recording', () => {
  let writers: Writer[]
  let totals: { frames: number; lost: number }
  let chunks: Buffer[]
  let out: Writable
  /** frames that have passed any port, and how many pass between two looks */
  let passed: number
  let traffic: number

  /** Rings for two workers, at rest. */
  beforeEach(() => {
    for (const name of arena.regions()) arena.free(name)
    totals = { frames: 0, lost: 0 }
    chunks = []
    passed = 0
    traffic = 0
    writers = []
  })

  function begin(watched: Watched[], workers = 1, count = Number.POSITIVE_INFINITY): Recording {
    const places = Array.from(
      { length: workers },
      (_, w) => arena.allocate(`ring/${w}`, record.lengthOf(WORDS)).at,
    )
    writers = places.map((at) => new Writer(at))
    const pace = new Pace()
    const sight = {
      arena,
      pace,
      passed: () => (passed += traffic),
      blame: (rule: number) => `rule ${rule}`,
      totals,
    }
    const reels = places.map((at) => new Reel(arena, at, WORDS))
    return new Recording('1', { snap: 100, count, filter: 'ip' }, sight, reels, watched)
  }

  /** Begins to read; what comes is kept as it is at that moment. */
  async function read(recording: Recording): Promise<void> {
    out = new Writable({
      write(chunk: Buffer, _encoding, done) {
        chunks.push(Buffer.from(chunk))
        setImmediate(done)
      },
    })
    recording.pour(out)
    await taken()
  }

  /** Resolves once the reader has what was written. */
  async function taken(): Promise<void> {
    do await new Promise(setImmediate)
    while (out.writableLength > 0)
  }

  /** What the daemon does again and again. */
  async function look(recording: Recording): Promise<void> {
    recording.drain()
    await taken()
  }

  async function end(recording: Recording) {
    recording.finish()
    await recording.closed
    return readCapture(Buffer.concat(chunks))
  }

  const frame = (number: number, length = 20) => new Uint8Array(length).fill(number)
  const now = () => BigInt(Date.now()) * 1_000_000n

  it('has what was written, over the end of the ring and in any length', async () => {
    const recording = begin([port(3, 'vm1')])
    await read(recording)
    const sent: Uint8Array[] = []
    for (let i = 0; i < 200; i++) {
      sent.push(frame(i, 1 + (i % 40)))
      expect(writers[0].write(3, now() + BigInt(i), sent[i])).toBe(true)
      if (i % 5 === 4) await look(recording)
    }
    const { packets, interfaces, statistics } = await end(recording)
    expect(interfaces).toEqual([{ name: 'vm1', description: 'tap, network lab', snap: 100, filter: 'ip' }])
    expect(packets.map(({ bytes }) => bytes.toString('hex'))).toEqual(
      sent.map((each) => Buffer.from(each).toString('hex')),
    )
    expect(statistics).toEqual([{ received: null, accepted: 200, dropped: 0 }])
    expect(totals).toEqual({ frames: 200, lost: 0 })
  })

  it('tells of drops, between frames that were not dropped', async () => {
    const recording = begin([port(0, 'a')])
    await read(recording)
    for (const why of [-1, 0, -1, 7, 40, -1])
      writers[0].write(0, now(), frame(why, 21), why, why === 40 ? 9 : 0)
    const { packets } = await end(recording)
    expect(packets.map(({ comment }) => comment)).toEqual([
      '',
      `dropped: ${REASONS[0].name}`,
      '',
      `dropped: ${REASONS[7].name}`,
      `dropped: ${REASONS[40].name} by rule 9`,
      '',
    ])
    expect(packets.every(({ length, direction }) => length === 21 && direction === 'in')).toBe(true)
  })

  it('puts two workers in the order of time, and waits for what may still come', async () => {
    const recording = begin([port(0, 'a'), port(1, 'b')], 2)
    await read(recording)
    const start = now() - 10_000_000_000n
    for (let i = 0; i < 10; i++)
      writers[i % 3 === 0 ? 0 : 1].write(i % 3 === 0 ? 0 : 1, start + BigInt(i), frame(i))
    const late = now() + 10_000_000_000n
    writers[1].write(1, late, frame(99))
    await look(recording)
    expect(totals.frames).toBe(10)
    writers[0].write(0, late - 1n, frame(98))
    const { packets } = await end(recording)
    expect(packets.map(({ bytes }) => bytes[0])).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 98, 99])
    expect(packets.map((each) => each.interface).join('')).toBe('abbabbabbaab')
  })

  it('ends after so many frames by itself', async () => {
    const recording = begin([port(0, 'a')], 1, 3)
    await read(recording)
    for (let i = 0; i < 6; i++) writers[0].write(0, now(), frame(i))
    recording.drain()
    await recording.closed
    expect(readCapture(Buffer.concat(chunks)).packets).toHaveLength(3)
  })

  it('leaves in the rings what nobody reads, and counts what found no room', async () => {
    const recording = begin([port(0, 'a')])
    let written = 0
    for (let i = 0; i < 40; i++) {
      if (writers[0].write(0, now(), frame(i))) written++
      recording.drain()
    }
    expect(written).toBeLessThan(40)
    await read(recording)
    const { packets, statistics } = await end(recording)
    expect(packets).toHaveLength(written)
    expect(statistics[0]).toMatchObject({ accepted: 40, dropped: 40 - written })
    expect(totals).toEqual({ frames: written, lost: 40 - written })
    const tally = new Tally()
    const all = Buffer.concat(chunks)
    // Whatever pieces it comes in.
    for (let at = 0, step = 1; at < all.length; at += step, step = (step * 7) % 31)
      tally.take(all.subarray(at, at + step))
    expect([tally.frames, tally.lost]).toEqual([written, 40 - written])
    expect([tally.isWhole, tally.close()]).toEqual([true, 0])
    // Or where the switch was killed.
    for (let cut = all.length - 1; cut > all.length / 2; cut--) {
      const short = new Tally()
      short.take(all.subarray(0, cut))
      expect(short.isWhole).toBe(false)
      expect(readCapture(all.subarray(0, cut - short.close())).packets).toHaveLength(short.frames)
    }
  })

  it('keeps a port that comes again, and tells one apart that has its index', async () => {
    traffic = 1000
    const recording = begin([port(5, 'a')])
    await read(recording)
    writers[0].write(5, now(), frame(1))
    recording.watch([port(6, 'a', 60)])
    writers[0].write(6, now(), frame(2))
    expect(recording.isOther(port(6, 'b'))).toBe(true)
    recording.watch([port(6, 'b')])
    writers[0].write(6, now(), frame(3))
    const { packets, interfaces, statistics } = await end(recording)
    expect(interfaces.map(({ name }) => name)).toEqual(['a', 'b'])
    // What passes under their index now is not theirs.
    expect(statistics.map(({ received }) => received)).toEqual([null, 2000])
    expect(packets.map((each) => `${each.interface}${each.bytes[0]}`)).toEqual(['a1', 'a2', 'b3'])
  })
})
