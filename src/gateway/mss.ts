// Hot: asked for packets of the slow path only.
/**
 * A connection whose ends know nothing of the narrower link between them is told by the SYN: the maximum segment size option
 * (RFC 9293 3.7.1, kind 2, length 4) is lowered to what the way takes, as iptables' TCPMSS --clamp-mss-to-pmtu does.
 */
import * as ipv4 from '../wire/ipv4.ts'
import * as tcp from '../wire/tcp.ts'
import * as vnet from '../wire/vnet.ts'

const SYN = 0x02
const END = 0
const NOTHING = 1
const SIZE = 2
const NEEDS_CSUM = vnet.NEEDS_CSUM << 8

/**
 * Lowers the segment size that the TCP header at `at` offers to what a link of `mtu` bytes takes; a packet that is no SYN, or offers
 * less or nothing, stays. `end` is behind the packet's last byte; `work` says whether the checksum is partial: it has no options in it then.
 */
export function clamp(view: DataView, at: number, end: number, mtu: number, work: number): void {
  if (at + tcp.HEADER_LENGTH > end || (tcp.flags(view, at) & SYN) === 0) return
  const size = Math.max(mtu - ipv4.HEADER_LENGTH - tcp.HEADER_LENGTH, 0)
  const last = Math.min(at + tcp.headerLength(view, at), end)
  for (let option = at + tcp.HEADER_LENGTH; option < last; ) {
    const kind = view.getUint8(option)
    if (kind === END) return
    if (kind === NOTHING) {
      option++
      continue
    }
    if (option + 2 > last) return
    const length = view.getUint8(option + 1)
    if (length < 2 || option + length > last) return
    if (kind === SIZE && length === 4) {
      lower(view, at, option + 2, size, work)
      return
    }
    option += length
  }
}

function lower(view: DataView, at: number, place: number, size: number, work: number): void {
  const before = view.getUint16(place)
  if (before <= size) return
  view.setUint16(place, size)
  if ((work & NEEDS_CSUM) !== 0) return
  // RFC 1624; a word that lies across two of the checksum's words counts with its bytes swapped.
  const isOdd = ((place - at) & 1) !== 0
  let sum = (~view.getUint16(at + tcp.CHECKSUM_AT) & 0xffff) + (~swapped(before, isOdd) & 0xffff)
  sum += swapped(size, isOdd)
  sum = (sum & 0xffff) + (sum >>> 16)
  sum = (sum & 0xffff) + (sum >>> 16)
  view.setUint16(at + tcp.CHECKSUM_AT, ~sum)
}

function swapped(value: number, isOdd: boolean): number {
  return isOdd ? ((value & 0xff) << 8) | (value >>> 8) : value
}
