/** A queue over a stream: the other end is a socket of this process that says whatever it likes. */
import { join } from 'node:path'
import { afterAll, afterEach, beforeEach, expect, it } from 'vitest'
import { native } from '../../src/memory/native.ts'
import { Poll } from '../../src/memory/poll.ts'
import { ECONNRESET, EPROTO, StreamQueue } from '../../src/port/stream.ts'
import { cleanup } from '../lab/cleanup.ts'
import { Desk } from '../lab/desk.ts'
import { folder } from '../lab/folder.ts'
import { join as concat, numbered, numberOf, u32 } from '../lab/frame.ts'
import { suite } from '../lab/peer.ts'
import { Random } from '../lab/random.ts'

const EAGAIN = 11
const EPIPE = 32
/** an IP packet, its Ethernet header, two VLAN tags */
const LENGTH_MAX = 65_557
const desk = new Desk()
const poll = new Poll(desk.arena, desk.arena.allocate('poll', 4096).at)

const frame = (number: number, length = 60) =>
  numbered('02:00:00:00:00:02', '02:00:00:00:00:01', number, length)
const framed = (bytes: Uint8Array) => concat(u32(bytes.length), bytes)

suite('streams', [], () => {
  const at = folder('stream')
  let queue: StreamQueue
  let here = -1
  let there = -1
  beforeEach(() => {
    const path = join(at, 'a.sock')
    const server = native.unixListen({ path, kind: 'stream', mode: 0o600, owner: -1 })
    there = native.unixConnect(path)
    here = native.unixAccept(server)
    native.descriptorClose(server)
    queue = new StreamQueue(here)
    poll.add(queue.fd, 1)
  })
  afterEach(() => {
    poll.remove(queue.fd)
    queue.close()
    for (const fd of [here, there]) if (fd >= 0) native.descriptorClose(fd)
  })
  afterAll(cleanup)

  const say = (...parts: Uint8Array[]) => native.unixSend(there, concat(...parts), [])
  const hear = () => native.unixReceive(there, 1 << 20)?.bytes ?? Buffer.alloc(0)
  const isReady = () => poll.wait(0) > 0
  /** The numbers of the frames of one burst, or an errno. */
  const numbers = (capacity?: number) => {
    const got = desk.receive(queue, capacity)
    return typeof got === 'number' ? got : got.map((each) => numberOf(each.frame))
  }
  const hangUp = () => {
    native.descriptorClose(there)
    there = -1
  }

  it('many frames come with one read, each with a clean vnet header', () => {
    say(...[1, 2, 3].map((number) => framed(frame(number))), framed(frame(4, 1514)))
    const got = desk.receive(queue)
    expect(got).toEqual(
      [1, 2, 3, 4].map((n) => ({ frame: frame(n, n === 4 ? 1514 : 60), vnet: new Uint8Array(10) })),
    )
    expect([queue.quiet, numbers(), queue.quiet, isReady()]).toEqual([false, [], true, false])
  })

  it('a burst that is smaller than what is there leaves the rest for the next one', () => {
    say(...[1, 2, 3, 4, 5].map((number) => framed(frame(number))))
    expect([numbers(2), isReady(), queue.quiet]).toEqual([[1, 2], false, false])
    expect([numbers(2), numbers(2), numbers(2), queue.quiet]).toEqual([[3, 4], [5], [], true])
  })

  it('a frame may come byte by byte', () => {
    const bytes = concat(framed(frame(1)), framed(frame(2, LENGTH_MAX)))
    const got: number[] = []
    for (let i = 0; i < bytes.length; i += i < 200 ? 1 : 999) {
      say(bytes.subarray(i, i < 200 ? i + 1 : i + 999))
      got.push(...(numbers() as number[]))
    }
    expect(got).toEqual([1, 2])
  })

  it('random pieces of random frames make the same frames', () => {
    const seed = Date.now() & 0xffff
    const random = new Random(seed)
    const lengths = Array.from({ length: 300 }, () => 18 + random.below(random.once(10) ? 65_000 : 1500))
    const bytes = concat(...lengths.map((length, number) => framed(frame(number, length))))
    const got: number[] = []
    for (let at = 0; at < bytes.length; ) {
      const length = 1 + random.below(50_000)
      if (say(bytes.subarray(at, at + length))) at += length
      const capacity = 1 + random.below(64)
      for (let some = numbers(capacity) as number[]; some.length > 0; some = numbers(capacity) as number[])
        got.push(...some)
    }
    expect(got, `seed ${seed}`).toEqual(lengths.map((_, number) => number))
  })

  it('frames shorter than a header are given on, for the parser to count', () => {
    say(framed(new Uint8Array(0)), framed(new Uint8Array(13)), framed(frame(7)))
    const got = desk.receive(queue)
    expect(typeof got === 'number' ? got : got.map((each) => each.frame.length)).toEqual([0, 13, 60])
  })

  it.each([LENGTH_MAX + 1, 0x7fffffff, 0xffffffff])(
    'a length of %i ends the stream behind the frames before it',
    (length) => {
      say(framed(frame(1)), Uint8Array.from(u32(length)), frame(2))
      expect([numbers(), queue.quiet]).toEqual([[1], false])
      expect([numbers(), isReady(), numbers()]).toEqual([-EPROTO, true, -EPROTO])
      expect(hear().length).toBe(0)
    },
  )

  it('an end is told behind the frames before it, wherever it comes', () => {
    const bytes = concat(framed(frame(1)), framed(frame(2)).subarray(0, 30))
    say(bytes)
    hangUp()
    expect([isReady(), numbers(), numbers(), isReady(), numbers()]).toEqual([
      true,
      [1],
      -ECONNRESET,
      true,
      -ECONNRESET,
    ])
    expect(desk.transmit(queue, frame(1))).toEqual({ taken: 0, errors: [EPIPE] })
  })

  it('a burst is one message of bytes', () => {
    const frames = [frame(1), frame(2, 1514), frame(3, 65_000)]
    expect(desk.transmit(queue, ...frames)).toEqual({ taken: 3, errors: [0, 0, 0] })
    expect(hear().equals(concat(...frames.map(framed)))).toBe(true)
  })

  it('whoever does not read gets what was taken, whole and in order, once he does', () => {
    const random = new Random(Date.now() & 0xffff)
    const taken: Uint8Array[] = []
    const offer = () => {
      const frames = Array.from({ length: 8 }, () => frame(taken.length, 60 + random.below(60_000)))
      const { taken: count, errors } = desk.transmit(queue, ...frames)
      expect(errors, `seed ${random.seed}`).toEqual(frames.map((_, i) => (i < count ? 0 : EAGAIN)))
      taken.push(...frames.slice(0, count))
      return count
    }
    const parts: Uint8Array[] = []
    const listen = () => {
      for (let more = hear(); more.length > 0; more = hear()) parts.push(more)
    }
    let rests = 0
    for (let full = 0; full < 8; full++) {
      while (offer() === 8);
      expect([offer(), offer(), isReady()]).toEqual([0, 0, false])
      listen()
      // Room is an event while the rest of a frame is kept; it goes out by itself.
      if (isReady()) rests++
      expect([numbers(), isReady()]).toEqual([[], false])
      listen()
      const wanted = concat(...taken.splice(0).map(framed))
      expect(Buffer.compare(concat(...parts.splice(0)), wanted), `seed ${random.seed}`).toBe(0)
    }
    expect(rests).toBeGreaterThan(0)
  })

  it('whoever leaves without having read is told like any other', () => {
    while (desk.transmit(queue, ...[1, 2, 3, 4].map((number) => frame(number, 9000))).taken === 4);
    say(framed(frame(9)))
    hangUp()
    expect([numbers(), numbers(), isReady()]).toEqual([[9], -ECONNRESET, true])
    // Twice: a worker lets go of a lost queue, and again with the next program.
    queue.close()
    queue.close()
  })
})
