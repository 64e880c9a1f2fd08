/** What hashlimit's rates become: the arithmetic of libxt_hashlimit and xt_hashlimit in 32 and 64 bits, with its losses. */

/** parts of a second in which the kernel gets the time from packet to packet */
export const MICROSECONDS = 1_000_000

const U32 = 0xffff_ffff
/** bytes of a chunk, which is what bytes are paid in */
const CHUNK = 16
/** credits that a second earns: 250 jiffies of 2^39, or 1,000 of 2^37 */
const SECOND = 250n * 2n ** 39n

/** What a chunk costs at so many bytes a second. */
export function costOf(bytes: number): number {
  return Math.floor(U32 / (Math.floor(bytes / CHUNK) + 1))
}

/** How many bytes a second a cost stands for. */
export function bytesOf(cost: number): number {
  return (Math.floor(U32 / cost) - 1) * CHUNK
}

/** Whether a burst at this period would overflow the kernel's 64 bits, so that it refuses the rule. */
export function overflows(period: number, burst: number): boolean {
  const credits = (parts: bigint) => (parts * (SECOND / BigInt(MICROSECONDS))) % 2n ** 64n
  return credits(BigInt(period) * BigInt(burst)) < credits(BigInt(period))
}

const UNITS = [
  { name: 'm', size: 2 ** 20 },
  { name: 'k', size: 2 ** 10 },
  { name: '', size: 1 },
]

/** Bytes a second in the largest unit from which the same cost is read again. */
export function printBytes(cost: number): string {
  const bytes = bytesOf(cost)
  const same = ({ size }: { size: number }) =>
    size === 1 || (bytes >= size && costOf(low(bytes) - (low(bytes) % size)) === cost)
  const { name, size } = UNITS.find(same) ?? UNITS[2]
  return `${Math.floor(bytes / size)}${name}`
}

/** Bytes in the largest unit that is not too large, what is left over being cut off. */
export function printSize(bytes: number): string {
  const { name, size } = UNITS.find((unit) => bytes >= unit.size) ?? UNITS[2]
  return `${Math.floor(bytes / size)}${name}`
}

function low(bytes: number): number {
  return bytes % 2 ** 32
}
