// Hot: a TCP segment that is being looked at.
import * as header from '../wire/tcp.ts'
import { ACK_SET, combinations, FIN_SET, RST_SET, SYN_ACK, SYN_ONLY } from './transition.ts'

const { ACK, FIN, RST, SYN, HEADER_LENGTH } = header
const KINDS = header.FIN | header.SYN | header.RST | header.ACK | header.URG

/** option kinds: RFC 9293 3.1, RFC 7323 2.2, RFC 2018 2 and 3 */
const END_OF_OPTIONS = 0
const NO_OPERATION = 1
const WINDOW_SCALE = 3
const SACK_PERMITTED = 4
const SACK_BLOCKS = 5
/** RFC 7323 2.3 */
const SCALE_MAX = 14
/** NOP, NOP, timestamps: all that most segments carry */
const TIMESTAMPS = 0x0101080a

export class Segment {
  kind = 0
  flags = 0
  sequence = 0
  acknowledged = 0
  /** the sequence number behind its last byte */
  end = 0
  /** as written, not scaled */
  window = 0
  /** what `options` found */
  scale = -1
  isSackPermitted = false
  private readonly view: DataView
  private at = 0

  constructor(view: DataView) {
    this.view = view
  }

  /** True if the header at `at` of a packet that ends at `end` is whole, and its flags can stand together. */
  isValid(at: number, end: number): boolean {
    const { view } = this
    if (at + HEADER_LENGTH > end) return false
    const length = header.headerLength(view, at)
    return length >= HEADER_LENGTH && at + length <= end && combinations[header.flags(view, at) & KINDS] === 1
  }

  /** Reads the header at `at`; `end` is the first byte behind the packet. */
  read(at: number, end: number): void {
    const { view } = this
    const flags = header.flags(view, at)
    this.at = at
    this.flags = flags
    this.sequence = header.sequence(view, at)
    this.acknowledged = header.acknowledgment(view, at)
    this.window = header.window(view, at)
    const length = end - at - header.headerLength(view, at)
    this.end = (this.sequence + length + ((flags & SYN) >> 1) + (flags & FIN)) | 0
    if ((flags & RST) !== 0) this.kind = RST_SET
    else if ((flags & SYN) !== 0) this.kind = (flags & ACK) !== 0 ? SYN_ACK : SYN_ONLY
    else this.kind = (flags & FIN) !== 0 ? FIN_SET : ACK_SET
  }

  /** Reads what a SYN says about scaling and selective acknowledgement; false if it has no options at all. */
  options(): boolean {
    const { view } = this
    const end = this.at + header.headerLength(view, this.at)
    let at = this.at + HEADER_LENGTH
    this.scale = -1
    this.isSackPermitted = false
    if (at === end) return false
    for (let length = 1; at < end; at += length) {
      const kind = view.getUint8(at)
      if (kind === END_OF_OPTIONS) return true
      length = this.step(at, end)
      if (length === 0) return true
      if (kind === WINDOW_SCALE && length === 3) this.scale = Math.min(view.getUint8(at + 2), SCALE_MAX)
      else if (kind === SACK_PERMITTED && length === 2) this.isSackPermitted = true
    }
    return true
  }

  /** The highest right edge that the segment acknowledges, selectively or not. */
  sack(): number {
    const { view } = this
    const end = this.at + header.headerLength(view, this.at)
    let at = this.at + HEADER_LENGTH
    let highest = this.acknowledged
    if (at === end || (end - at === 12 && view.getInt32(at) === TIMESTAMPS)) return highest
    for (let length = 1; at < end; at += length) {
      const kind = view.getUint8(at)
      if (kind === END_OF_OPTIONS) return highest
      length = this.step(at, end)
      if (length === 0) return highest
      if (kind !== SACK_BLOCKS || length < 10 || (length - 2) % 8 !== 0) continue
      for (let block = at + 2; block < at + length; block += 8) {
        const edge = view.getInt32(block + 4)
        if (((edge - highest) | 0) > 0) highest = edge
      }
      return highest
    }
    return highest
  }

  /** Length of the option at `at`, 0 if it cannot be one. */
  private step(at: number, end: number): number {
    if (this.view.getUint8(at) === NO_OPERATION) return 1
    const length = at + 1 < end ? this.view.getUint8(at + 1) : 0
    return length < 2 || at + length > end ? 0 : length
  }
}
