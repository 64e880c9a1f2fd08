/** A capture's ring as its reader sees it: laid out here once more, for the tests must not trust src. */
import type { Arena } from '../../src/memory/arena.ts'
import { REASONS } from '../../src/pipeline/reason.ts'

const HEADER = 48
const LOST = 32

export interface Played {
  port: number
  direction: 'in' | 'out'
  nanoseconds: bigint
  length: number
  bytes: string
  /** why it was dropped, null if it was not */
  reason: string | null
  /** the word that says which rule dropped it */
  rule: number
}

export class Tape {
  readonly at: number
  readonly words: number
  private readonly arena: Arena
  private tail = 0

  constructor(arena: Arena, words: number, name = 'tape') {
    this.arena = arena
    this.words = words
    this.at = arena.allocate(name, (HEADER + words) * 4).at
  }

  get lost(): number {
    return this.arena.i32[(this.at >> 2) + LOST]
  }

  /** What was published since the last call; the room is given back unless it is to be kept. */
  play(keep = false): Played[] {
    const { view, u8 } = this.arena
    const ring = this.at + HEADER * 4
    const head = view.getInt32(this.at, true)
    const found: Played[] = []
    let tail = this.tail
    while (tail !== head) {
      const place = tail & (this.words - 1)
      const at = ring + place * 4
      const type = view.getInt32(at, true)
      if (type === 0) {
        tail = (tail + this.words - place) | 0
        continue
      }
      const [bytes, kept] = [view.getInt32(at + 4, true), view.getInt32(at + 20, true)]
      const end = at + bytes
      const isSound =
        (type & 0xff) === 6 && view.getInt32(end - 4, true) === bytes && place * 4 + bytes <= this.words * 4
      if (!isSound || view.getInt32(end - 16, true) !== 0x0004_0002)
        throw new Error(`no record at word ${tail}`)
      const padding = u8.subarray(at + 28 + kept, end - 16)
      if (padding.length > 3 || padding.some((byte) => byte !== 0))
        throw new Error(`bad padding at word ${tail}`)
      const [high, low] = [view.getUint32(at + 12, true), view.getUint32(at + 16, true)]
      found.push({
        port: view.getInt32(at + 8, true),
        direction: view.getInt32(end - 12, true) === 1 ? 'in' : 'out',
        nanoseconds: (BigInt(high) << 32n) | BigInt(low),
        length: view.getInt32(at + 24, true),
        bytes: Buffer.from(u8.subarray(at + 28, at + 28 + kept)).toString('hex'),
        reason: REASONS[(type >> 8) - 1]?.name ?? null,
        rule: view.getInt32(end - 8, true),
      })
      tail = (tail + bytes / 4) | 0
    }
    this.tail = tail
    if (!keep) this.catchUp()
    return found
  }

  /** Plays nothing of what was published up to now. */
  skip(): void {
    this.tail = Atomics.load(this.arena.i32, this.at >> 2)
    this.catchUp()
  }

  /** Gives the writer the room of all that was played. */
  catchUp(): void {
    Atomics.store(this.arena.i32, (this.at >> 2) + 16, this.tail)
  }
}
