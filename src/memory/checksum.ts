// Hot: 55 ns for 64 bytes, 116 ns for 1,448 (npm run bench).
import { native } from './native.ts'

/**
 * The ones' complement sum (RFC 1071) of `length` bytes of this thread's arena and a 16-bit initial value: folded, not
 * complemented, in network byte order.
 */
export function checksum(at: number, length: number, initial: number): number {
  return native.checksum(at, length, initial)
}
