/** The reading end of a capture's ring in one worker; pipeline/record.ts has the layout. */
import type { Arena } from '../../memory/arena.ts'
import { HEAD, HEADER, LOST, TAIL, WRAP } from '../../pipeline/record.ts'

export class Reel {
  /** int32 position of the next record in the arena, -1 if there is none */
  at = -1
  private readonly i32: Int32Array
  private readonly header: number
  private readonly words: number
  /** words read, and written as far as we know */
  private tail = 0
  private head = 0
  private lost = 0

  constructor(arena: Arena, at: number, words: number) {
    this.i32 = arena.i32
    this.header = at >> 2
    this.words = words
  }

  /** Looks how far the writer has come. */
  look(): void {
    this.head = Atomics.load(this.i32, this.header + HEAD)
    this.settle()
  }

  /** Where the records end that stand side by side from the next one on, an int32 position. */
  get edge(): number {
    const ring = this.header + HEADER
    return Math.min(this.at + ((this.head - this.tail) | 0), ring + this.words)
  }

  /** Goes on to the record that begins so many words behind the next one. */
  pass(words: number): void {
    this.tail = (this.tail + words) | 0
    this.settle()
  }

  /** Goes on to the end. Returns how many records were passed over. */
  skip(): number {
    let count = 0
    for (this.look(); this.at >= 0; this.pass(this.i32[this.at + 1] >>> 2)) count++
    this.release()
    return count
  }

  private settle(): void {
    const ring = this.header + HEADER
    const place = this.tail & (this.words - 1)
    if (this.tail === this.head) this.at = -1
    else if (this.i32[ring + place] !== WRAP) this.at = ring + place
    else {
      this.tail = (this.tail + this.words - place) | 0
      this.settle()
    }
  }

  /** What lies before the next record is the writer's again. */
  release(): void {
    Atomics.store(this.i32, this.header + TAIL, this.tail)
  }

  /** Frames that found no room since the last time. */
  missed(): number {
    const lost = Atomics.load(this.i32, this.header + LOST)
    const since = (lost - this.lost) >>> 0
    this.lost = lost
    return since
  }
}
