/** Fragments that a side was given: what is missing of datagrams that are not whole, so that nothing is left over for the next trial. */
import { ipv4 } from './frame.ts'
import type { Parcel } from './kernel.ts'

interface Waiting {
  parcel: Parcel
  /** from and to, in bytes */
  parts: [number, number][]
  /** bytes there are in all, -1 while the last piece is not there */
  total: number
}

export class Pieces {
  private waiting = new Map<string, Waiting>()

  note(parcel: Parcel): void {
    const { packet } = parcel
    const view = new DataView(packet.buffer, packet.byteOffset, packet.length)
    const word = view.getUint16(6)
    if ((word & 0x3fff) === 0) return
    const name = [4, 5, 9, 12, 13, 14, 15, 16, 17, 18, 19].map((at) => packet[at]).join()
    const datagram = this.waiting.get(name) ?? { parcel, parts: [], total: -1 }
    const from = (word & 0x1fff) * 8
    const to = from + packet.length - (packet[0] & 15) * 4
    if (!datagram.parts.some(([start, end]) => start === from && end === to)) datagram.parts.push([from, to])
    if ((word & 0x2000) === 0) datagram.total = to
    if (datagram.total >= 0 && gaps(datagram).length === 0) this.waiting.delete(name)
    else this.waiting.set(name, datagram)
  }

  /** The pieces that make everything whole; nothing waits then. */
  rest(): Parcel[] {
    const all = [...this.waiting.values()].flatMap((datagram) => {
      const { parcel, parts, total } = datagram
      const end = Math.max(...parts.map(([, to]) => to))
      const missing = gaps(datagram).map(([from, to]) => piece(parcel, from, to, true))
      return total < 0 ? [...missing, piece(parcel, end, end + 8, false)] : missing
    })
    this.waiting = new Map()
    return all
  }
}

/** What lies between the parts that are there. */
function gaps({ parts }: Waiting): [number, number][] {
  const sorted = [...parts].sort(([a], [b]) => a - b)
  const found: [number, number][] = []
  let end = 0
  for (const [from, to] of sorted) {
    if (from > end) found.push([end, from])
    end = Math.max(end, to)
  }
  return found
}

function piece({ station, packet }: Parcel, from: number, to: number, more: boolean): Parcel {
  const dotted = (at: number) => packet.subarray(at, at + 4).join('.')
  const id = (packet[4] << 8) | packet[5]
  const fields = { source: dotted(12), destination: dotted(16), protocol: packet[9], id }
  const fragment = (from >> 3) | (more ? 0x2000 : 0)
  return { station, packet: ipv4({ ...fields, fragment }, new Uint8Array(to - from)) }
}
