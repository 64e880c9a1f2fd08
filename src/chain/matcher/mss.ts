// Hot: -j TCPMSS, asked of SYNs only.
import * as ipv4 from '../../wire/ipv4.ts'
import * as tcp from '../../wire/tcp.ts'
import * as vnet from '../../wire/vnet.ts'
import type { MatcherSpec } from '../extension.ts'
import type { Footing, Matcher } from '../matcher.ts'
import { AT, BRIDGED, END, LENGTH, MTU, NETWORK, TRANSPORT } from '../registers.ts'

const HEADERS = ipv4.HEADER_LENGTH + tcp.HEADER_LENGTH
const HEADER_MAX = 60
/** RFC 9293 3.7.1: the option is kind 2, length 4, size; who offers none is held to take 536. */
const KIND = 2
const OPTION = 4
const SIZE_UNSAID = 536

/** The checksum of the word at `at` of a header, `before` having become `after`: RFC 1624, equation 3. */
function account(view: DataView, at: number, before: number, after: number): void {
  let sum = (~view.getUint16(at) & 0xffff) + (~before & 0xffff) + after
  sum = (sum & 0xffff) + (sum >>> 16)
  sum = (sum & 0xffff) + (sum >>> 16)
  view.setUint16(at, ~sum)
}

function swapped(word: number): number {
  return ((word & 0xff) << 8) | (word >>> 8)
}

/** Description: { type: 'mss', size: -1 for what the way takes }. True unless the packet is to be dropped: it is broken, or no way is so narrow. */
export class MssChanger implements Matcher {
  private readonly view: DataView
  private readonly bytes: Uint8Array
  private readonly size: number

  constructor(footing: Footing, spec: MatcherSpec) {
    this.view = footing.arena.view
    this.bytes = footing.arena.u8
    this.size = Number(spec.size)
  }

  ask(x: Int32Array): boolean {
    const { view } = this
    const at = x[TRANSPORT]
    const room = x[END] - at
    if (room < tcp.HEADER_LENGTH) return false
    const length = tcp.headerLength(view, at)
    if (length < tcp.HEADER_LENGTH || length > room) return false
    let size = this.size
    if (size < 0) {
      if (x[MTU] === 0) return true
      if (x[MTU] <= HEADERS) return false
      size = x[MTU] - HEADERS
    }
    const isPartial = vnet.isPartial(view, x[AT] - vnet.LENGTH, at - x[AT])
    for (let i = tcp.HEADER_LENGTH; i <= length - OPTION; ) {
      const kind = view.getUint8(at + i)
      const step = view.getUint8(at + i + 1)
      if (kind === KIND && step === OPTION) {
        this.lower(at, at + i + 2, size, isPartial)
        return true
      }
      i += kind < KIND || step === 0 ? 1 : step
    }
    // Behind data the option would have to move it; the header has room for forty bytes of options; a bridged frame stays as long as it is.
    if (room === length && length < HEADER_MAX && x[BRIDGED] !== 1) this.add(x, length, size, isPartial)
    return true
  }

  /** A partial checksum does not speak of options yet. */
  private lower(at: number, place: number, size: number, isPartial: boolean): void {
    const { view } = this
    const before = view.getUint16(place)
    if (before <= size) return
    view.setUint16(place, size)
    if (isPartial) return
    const isOdd = ((place - at) & 1) !== 0
    const sum = at + tcp.CHECKSUM_AT
    account(view, sum, isOdd ? swapped(before) : before, isOdd ? swapped(size) : size)
  }

  /** The option comes first; frames lie in slots with room behind them. */
  private add(x: Int32Array, length: number, size: number, isPartial: boolean): void {
    const { view } = this
    const at = x[TRANSPORT]
    const options = at + tcp.HEADER_LENGTH
    const sum = at + tcp.CHECKSUM_AT
    this.bytes.copyWithin(options + OPTION, options, at + length)
    const offered = Math.min(size, SIZE_UNSAID)
    view.setUint16(options, (KIND << 8) | OPTION)
    view.setUint16(options + 2, offered)
    // The pseudo-header has TCP's length in it: a partial checksum is its plain sum, a complete one the complement.
    if (isPartial) view.setUint16(sum, ~view.getUint16(sum))
    account(view, sum, length, length + OPTION)
    if (isPartial) view.setUint16(sum, ~view.getUint16(sum))
    const offset = view.getUint16(at + 12)
    view.setUint16(at + 12, offset + ((OPTION >> 2) << 12))
    if (!isPartial) {
      account(view, sum, 0, (KIND << 8) | OPTION)
      account(view, sum, 0, offered)
      account(view, sum, offset, view.getUint16(at + 12))
    }
    const network = x[NETWORK]
    const total = ipv4.totalLength(view, network)
    ipv4.setTotalLength(view, network, total + OPTION)
    account(view, network + 10, total, total + OPTION)
    x[END] += OPTION
    x[LENGTH] += OPTION
  }
}
