// Hot: the headers of a packet as the hook at hand has them.
/**
 * A packet's bytes are rewritten at the very end, while in the kernel each hook finds what those before it made of them. Here the IPv4 header and
 * the first four bytes behind it are copied, and what the registers know better is put in its place: addresses, ports and the TTL. The
 * checksums, and the identifier of an ICMP query, stay those that the packet came with.
 */
import type { Footing } from '../matcher.ts'
import { AGED, DESTINATION, END, NETWORK, PORTS, PROTOCOL, SOURCE, TRANSPORT } from '../registers.ts'

/** the longest IPv4 header, and ports */
const LENGTH_MAX = 64
const AT_TTL = 8
const AT_SOURCE = 12
const AT_DESTINATION = 16

/** Protocols whose first four bytes are ports: TCP, UDP, DCCP, SCTP, UDP-Lite. */
export function hasPorts(protocol: number): boolean {
  return protocol === 6 || protocol === 17 || protocol === 33 || protocol === 132 || protocol === 136
}

export class Head {
  readonly bytes = new Uint8Array(LENGTH_MAX)
  length = 0
  /** the whole arena: byte i of a packet that is not in the head is at NETWORK + i */
  readonly all: Uint8Array

  constructor(footing: Footing) {
    this.all = footing.arena.u8
  }

  read(x: Int32Array): void {
    const { bytes, all } = this
    const network = x[NETWORK]
    const transport = x[TRANSPORT] - network
    const length = Math.min(LENGTH_MAX, transport + 4, x[END] - network)
    for (let i = 0; i < length; i++) bytes[i] = all[network + i]
    this.length = length
    bytes[AT_TTL] -= x[AGED]
    this.put(AT_SOURCE, x[SOURCE])
    this.put(AT_DESTINATION, x[DESTINATION])
    if (hasPorts(x[PROTOCOL]) && length === transport + 4) this.put(transport, x[PORTS])
  }

  private put(at: number, value: number): void {
    const { bytes } = this
    bytes[at] = value >>> 24
    bytes[at + 1] = value >>> 16
    bytes[at + 2] = value >>> 8
    bytes[at + 3] = value
  }
}
