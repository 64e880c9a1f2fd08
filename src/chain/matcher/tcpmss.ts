// Hot: -m tcpmss, asked of packets with options.
import type { MatcherSpec } from '../extension.ts'
import type { Footing, Matcher } from '../matcher.ts'
import { END, HOTDROP, TRANSPORT } from '../registers.ts'

const HEADER = 20
/** Options of RFC 9293: end and nothing are a byte, the segment size is kind, length 4, two bytes. */
const NOTHING = 1
const SIZE = 2
const SIZE_LENGTH = 4

const NONE = -1
const BROKEN = -2

/** The segment size that the TCP header of the packet in the registers offers, NONE, or BROKEN where the header is cut off. */
export function segmentSize(view: DataView, x: Int32Array): number {
  const at = x[TRANSPORT]
  const room = x[END] - at
  if (room < HEADER) return BROKEN
  const length = (view.getUint8(at + 12) >> 4) << 2
  if (length < HEADER || length > room) return BROKEN
  for (let i = HEADER; i < length; ) {
    const kind = view.getUint8(at + i)
    if (kind === SIZE && length - i >= SIZE_LENGTH && view.getUint8(at + i + 1) === SIZE_LENGTH) {
      return view.getUint16(at + i + 2)
    }
    // An option of no length is stepped over by the byte, as netfilter does; it also goes on behind the end of options.
    const step = kind > NOTHING && i + 1 < length ? view.getUint8(at + i + 1) : 1
    i += step === 0 ? 1 : step
  }
  return NONE
}

/** Description: { type: 'tcpmss', least, most, not }. */
export class TcpmssMatcher implements Matcher {
  private readonly view: DataView
  private readonly least: number
  private readonly most: number
  private readonly not: boolean

  constructor(footing: Footing, spec: MatcherSpec) {
    this.view = footing.arena.view
    this.least = Number(spec.least)
    this.most = Number(spec.most)
    this.not = spec.not === true
  }

  ask(x: Int32Array): boolean {
    const size = segmentSize(this.view, x)
    if (size === BROKEN) {
      x[HOTDROP] = 1
      return false
    }
    return (size >= this.least && size <= this.most) !== this.not
  }
}
