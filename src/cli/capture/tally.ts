/** Counts what a stream of pcapng says, block by block, without keeping it. Pieces may be of any size, and their bytes change once they are taken. */

const FRAME = 6
const INTERFACE = 1
const STATISTICS = 5
const DROPPED = 5
/** where the options of interface statistics begin */
const OPTIONS_AT = 20

/** isb_ifdrop of an Interface Statistics Block, 0 if it has none. */
function droppedOf(block: Buffer): number {
  let at = OPTIONS_AT
  while (at + 4 <= block.length - 4) {
    if (block.readUInt16LE(at) === DROPPED) return Number(block.readBigUInt64LE(at + 4))
    at += 4 + ((block.readUInt16LE(at + 2) + 3) & ~3)
  }
  return 0
}

export class Tally {
  frames = 0
  lost = 0
  /** the beginning of a block that has not come whole, and bytes of a frame's block that are still to come */
  private begun: Buffer = Buffer.alloc(0)
  private ahead = 0
  /** bytes of the last block */
  private length = 0
  /** interfaces whose statistics, which are the end, have not come */
  private open = 0
  /** something came */
  private isBegun = false

  /** The stream came to its end. */
  get isWhole(): boolean {
    return this.isBegun && this.open === 0 && this.ahead === 0 && this.begun.length === 0
  }

  /** Nothing comes any more: forgets a block that is not whole, and returns how many of its bytes came. */
  close(): number {
    if (this.ahead === 0) return this.begun.length
    this.frames--
    return this.length - this.ahead
  }

  take(chunk: Buffer): void {
    const bytes = this.begun.length === 0 ? chunk : Buffer.concat([this.begun, chunk])
    let at = this.ahead
    while (at + 8 <= bytes.length) {
      const type = bytes.readUInt32LE(at)
      const length = bytes.readUInt32LE(at + 4)
      if (type === FRAME) this.frames++
      else if (at + length > bytes.length) break
      else if (type === INTERFACE) this.open++
      else if (type === STATISTICS) {
        this.open--
        this.lost += droppedOf(bytes.subarray(at, at + length))
      }
      at += length
      this.length = length
    }
    this.ahead = Math.max(0, at - bytes.length)
    this.begun = Buffer.from(bytes.subarray(at))
    this.isBegun = true
  }
}
