/** What an offload must come to: the packets that the sender would have sent had it done the work itself. */
import { sum, u16 } from '../lab/frame.ts'
import { type Ask, asking } from '../lab/super.ts'

const FIN = 0x01
const PSH = 0x08
const CWR = 0x80

/** The sum over the segment in a frame that needs one; a UDP sum of zero is sent as ones (RFC 768). */
export function completed(ask: Ask): Uint8Array {
  const { frame, transport } = asking({ ...ask, size: 0 })
  const isUdp = ask.kind.startsWith('udp')
  const value = ~sum(frame.subarray(transport)) & 0xffff
  frame.set(u16(isUdp && value === 0 ? 0xffff : value), transport + (isUdp ? 6 : 16))
  return frame
}

/** The frames that a super-frame stands for. */
export function segments(ask: Ask): Uint8Array[] {
  const { payload, size, id = 0xfffe, sequence = 0x01020304, flags = 0x10 } = ask
  const count = Math.max(1, Math.ceil(payload.length / size))
  return Array.from({ length: count }, (_, n) => {
    const isLast = n === count - 1
    return completed({
      ...ask,
      payload: payload.subarray(n * size, (n + 1) * size),
      id: (id + n) & 0xffff,
      sequence: (sequence + n * size) >>> 0,
      flags: flags & ~(isLast ? 0 : FIN | PSH) & ~(n > 0 ? CWR : 0),
    })
  })
}

interface Fields {
  payload: Uint8Array
  /** both must be 0xffff */
  sums: number[]
  sequence: number
  flags: number
}

/** Reads a frame of one of the kinds as its receiver would, `network` and `transport` bytes into it. */
export function read(kind: Ask['kind'], frame: Uint8Array, network: number, transport: number): Fields {
  const view = new DataView(frame.buffer, frame.byteOffset)
  const isFour = kind.endsWith('4')
  const isUdp = kind.startsWith('udp')
  const end = isFour ? network + view.getUint16(network + 2) : network + 40 + view.getUint16(network + 4)
  const length = end - transport
  const ends = isFour ? frame.subarray(network + 12, network + 20) : frame.subarray(network + 8, network + 40)
  const pseudo = sum(ends, (isUdp ? 17 : 6) + length)
  const options = isFour ? frame.subarray(network, network + ((frame[network] & 15) << 2)) : [0xff, 0xff]
  const header = isUdp ? 8 : (frame[transport + 12] >> 4) << 2
  return {
    payload: frame.subarray(transport + header, isUdp ? transport + view.getUint16(transport + 4) : end),
    sums: [sum(options), sum(frame.subarray(transport, end), pseudo)],
    sequence: isUdp ? 0 : view.getUint32(transport + 4),
    flags: isUdp ? 0 : frame[transport + 13],
  }
}
