import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Arena } from '../../src/memory/arena.ts'
import { checksum } from '../../src/memory/checksum.ts'
import { native } from '../../src/memory/native.ts'
import { sum } from '../lab/frame.ts'

const arena = Arena.create(2 ** 20)
native.arenaBind(arena.u8, 0, 4096, 0)
const base = arena.allocate('bytes', 2 ** 17).at
arena.close()

/** Sums of the same class: RFC 1071 knows two zeros. */
function plain(value: number): number {
  return value === 0xffff ? 0 : value
}

it('is RFC 1071: against words added one by one, at every alignment and length', () => {
  const input = fc.record({
    bytes: fc.uint8Array({ maxLength: 300 }),
    shift: fc.nat(16),
    initial: fc.nat(0xffff),
  })
  fc.assert(
    fc.property(input, ({ bytes, shift, initial }) => {
      arena.u8.fill(0xa5, base, base + 400)
      arena.u8.set(bytes, base + shift)
      expect(plain(checksum(base + shift, bytes.length, initial))).toBe(plain(sum(bytes, initial)))
    }),
    { numRuns: 500 },
  )
})

it('carries: 64 KiB of ones, an odd length, the example of RFC 1071', () => {
  arena.u8.fill(0xff, base, base + 65536)
  expect(checksum(base, 65536, 0xffff)).toBe(0xffff)
  expect(checksum(base, 65535, 0)).toBe(sum(arena.u8.subarray(base, base + 65535)))
  arena.u8.set([0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7], base)
  expect(checksum(base, 8, 0)).toBe(0xddf2)
})
