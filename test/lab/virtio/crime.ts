/** What no driver may do to a ring, and the name that the switch has for it. */
import type { Memory } from './memory.ts'
import { INDIRECT, NEXT, type Ring, WRITE } from './ring.ts'

/** entries of the rings that crimes are committed on */
export const SIZE = 64
const GiB = 2n ** 30n

/** Two regions with a hole between them, the second up to an end that a guest's addresses can reach. */
export const spans = [
  { guest: 0n, length: 2 ** 20 },
  { guest: 4n * GiB, length: 2 ** 20 },
]

export interface Crime {
  what: string
  fault: string
  /** does it to a ring, whose chain would begin at descriptor 0; `way` is what its descriptors must have */
  commit: (ring: Ring, way: number, memory: Memory) => void
}

function jump(ring: Ring, by: number): void {
  ring.next += by
}

/** A descriptor with that address and length at the head of what is offered next. */
function lone(address: bigint, length: number, flags = 0): Crime['commit'] {
  return (ring, way) => {
    ring.describe(0, { address, length }, flags | (flags & INDIRECT ? 0 : way))
    ring.enter(0, ring.next++)
  }
}

/** A chain of descriptors 0, 1, … with these flags and next fields, each of `length` good bytes. */
function chain(links: [number, number][], length = 100): Crime['commit'] {
  return (ring, way, memory) => {
    const { address } = memory.allocate(128)
    links.forEach(([flags, next], i) => {
      ring.describe(i, { address, length }, flags ^ way, next)
    })
    ring.enter(0, ring.next++)
  }
}

/** An indirect table of these flags, at an address of its own. */
function table(flags: number[], length = flags.length * 16, outer = INDIRECT): Crime['commit'] {
  return (ring, way, memory) => {
    const piece = memory.allocate(Math.max(16, flags.length * 16))
    const bytes = memory.bytes(piece)
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    const { address } = memory.allocate(128)
    flags.forEach((each, i) => {
      ring.describe(i, { address, length: 4 }, each ^ way, i + 1, view)
    })
    ring.describe(0, { address: piece.address, length }, outer, 1)
    ring.describe(1, { address, length: 100 }, way)
    ring.enter(0, ring.next++)
  }
}

export const crimes: Crime[] = [
  { what: 'an index that jumps', fault: 'avail_jump', commit: (ring) => jump(ring, SIZE + 1) },
  { what: 'an index that goes back', fault: 'avail_jump', commit: (ring) => jump(ring, -3) },
  { what: 'a head behind the ring', fault: 'head_range', commit: (ring) => ring.enter(SIZE, ring.next++) },
  { what: 'the last head', fault: 'head_range', commit: (ring) => ring.enter(0xffff, ring.next++) },
  { what: 'a chain that leaves the ring', fault: 'next_range', commit: chain([[NEXT, SIZE]], 4) },
  { what: 'a chain that leaves at the end', fault: 'next_range', commit: chain([[NEXT, 0xffff]], 4) },
  { what: 'a descriptor that is its own next', fault: 'chain_loop', commit: chain([[NEXT, 0]], 0) },
  {
    what: 'a loop',
    fault: 'chain_loop',
    commit: chain(
      [
        [NEXT, 1],
        [NEXT, 2],
        [NEXT, 0],
      ],
      0,
    ),
  },
  { what: 'the wrong direction', fault: 'chain_direction', commit: chain([[WRITE, 0]]) },
  {
    what: 'directions that change',
    fault: 'chain_direction',
    commit: chain(
      [
        [NEXT, 1],
        [WRITE, 0],
      ],
      20,
    ),
  },
  { what: 'an address in the hole', fault: 'address_range', commit: lone(2n * GiB, 100) },
  { what: 'an address behind all regions', fault: 'address_range', commit: lone(8n * GiB, 100) },
  { what: 'a buffer that begins before a region', fault: 'address_range', commit: lone(4n * GiB - 1n, 100) },
  { what: 'a buffer over the end of a region', fault: 'address_range', commit: lone(2n ** 20n - 50n, 100) },
  {
    what: 'a buffer over the last end',
    fault: 'address_range',
    commit: lone(4n * GiB + 2n ** 20n - 50n, 100),
  },
  { what: 'address and length that overflow', fault: 'address_range', commit: lone(2n ** 64n - 50n, 100) },
  { what: 'the last address', fault: 'address_range', commit: lone(2n ** 64n - 1n, 100) },
  { what: 'an address below zero', fault: 'address_range', commit: lone(2n ** 63n, 100) },
  { what: 'an indirect table of no bytes', fault: 'indirect_size', commit: table([0], 0) },
  { what: 'an indirect table of odd size', fault: 'indirect_size', commit: table([0, 0], 31) },
  { what: 'an indirect table without end', fault: 'indirect_size', commit: table([0], 0xfffffff0) },
  { what: 'an indirect table in the hole', fault: 'address_range', commit: lone(2n * GiB, 16, INDIRECT) },
  {
    what: 'an indirect table over the end of a region',
    fault: 'address_range',
    commit: lone(2n ** 20n - 16n, 32, INDIRECT),
  },
  {
    what: 'an indirect table that overflows',
    fault: 'address_range',
    commit: lone(2n ** 64n - 16n, 32, INDIRECT),
  },
  { what: 'a table in a table', fault: 'indirect_nested', commit: table([INDIRECT]) },
  {
    what: 'a table that goes on behind itself',
    fault: 'indirect_nested',
    commit: table([0], 16, INDIRECT | NEXT),
  },
  { what: 'a table whose chain leaves it', fault: 'next_range', commit: table([NEXT, NEXT, NEXT]) },
  { what: 'a table of the wrong direction', fault: 'chain_direction', commit: table([WRITE]) },
]

/** What is a crime only where the guest transmits. */
export const short: Crime[] = [
  { what: 'a chain without bytes', fault: 'chain_short', commit: chain([[0, 0]], 0) },
  { what: 'a chain shorter than a header', fault: 'chain_short', commit: chain([[0, 0]], 11) },
  { what: 'a table shorter than a header', fault: 'chain_short', commit: table([NEXT, 0]) },
]
