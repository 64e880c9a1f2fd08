/** What a device finds in a split ring, read a second time and by itself: the oracle for random rings. */
import { CHAIN_MAX } from '../../../src/vhost/layout.ts'
import type { Expanse } from './expanse.ts'
import { INDIRECT, NEXT, WRITE } from './ring.ts'

/** Bytes of a chain, and of its indirect table: where they lie in the file as (offset, length) pairs; whether some lie nowhere, and the name of what is wrong with its descriptors. */
export interface Chain {
  pairs: number[]
  table: number[]
  total: number
  strays: boolean
  fault: string
}

/** File offset of a ring's area, entries. */
export interface Table {
  at: number
  count: number
}

/** Reads a chain up to `budget` bytes, all of which have to be of one direction: 0 or WRITE. */
export function read(expanse: Expanse, ring: Table, head: number, direction: number, budget: number): Chain {
  const chain: Chain = { pairs: [], table: [], total: 0, strays: false, fault: '' }
  const fail = (fault: string) => Object.assign(chain, { fault })
  let { view } = expanse
  let { at: first, count } = ring
  let index = head
  for (let steps = 0; steps < CHAIN_MAX; steps++) {
    if (index >= count) return fail('next_range')
    const at = first + 16 * index
    const [low, high] = [view.getUint32(at, true), view.getUint32(at + 4, true)]
    const length = view.getUint32(at + 8, true)
    const [flags, next] = [view.getUint16(at + 12, true), view.getUint16(at + 14, true)]
    if (flags & INDIRECT) {
      if (view !== expanse.view || flags & NEXT) return fail('indirect_nested')
      if (length === 0 || length % 16 !== 0 || length > 16 * CHAIN_MAX) return fail('indirect_size')
      if (!expanse.resolve(high, low, length, chain.table)) return fail('address_range')
      const copy = Uint8Array.from(bytes(expanse, chain.table))
      view = new DataView(copy.buffer)
      first = 0
      count = length / 16
      index = 0
      continue
    }
    if ((flags & WRITE) !== direction) return fail('chain_direction')
    const taken = Math.min(length, budget - chain.total)
    if (!expanse.resolve(high, low, taken, chain.pairs)) chain.strays = true
    chain.total += taken
    if (chain.total >= budget || !(flags & NEXT)) return chain
    index = next
  }
  return fail('chain_loop')
}

/** The bytes that lie there. */
export function bytes(expanse: Expanse, pairs: number[]): Buffer {
  const parts: Buffer[] = []
  for (let i = 0; i < pairs.length; i += 2)
    parts.push(expanse.bytes.subarray(pairs[i], pairs[i] + pairs[i + 1]))
  return parts.length === 1 ? parts[0] : Buffer.concat(parts)
}

/** True if no byte of the file is in two of the pairs. */
export function disjoint(pairs: number[]): boolean {
  for (let i = 0; i < pairs.length; i += 2)
    for (let j = 0; j < i; j += 2)
      if (pairs[i] < pairs[j] + pairs[j + 1] && pairs[j] < pairs[i] + pairs[i + 1]) return false
  return true
}
