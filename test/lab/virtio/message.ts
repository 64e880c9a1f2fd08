/** Messages of the vhost-user protocol as bytes: u32 request, u32 flags, u32 length of the payload, payload; all little-endian. */
import type { Memory, Region } from './memory.ts'
import type { Lane } from './pair.ts'

export const VERSION = 1
export const REPLY = 4
/** the front-end wants an answer that says whether it worked */
export const NEED_REPLY = 8
export const HEADER = 12
/** in the payload of the messages with an eventfd: there is none, poll */
export const NO_DESCRIPTOR = 1n << 8n

export interface Message {
  request: number
  flags: number
  payload: Buffer
  fds: number[]
}

export function message(
  request: number,
  payload: Uint8Array,
  flags = VERSION,
  length = payload.length,
): Buffer {
  return Buffer.concat([u32(request, flags, length), payload])
}

export function u32(...values: number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length)
  values.forEach((value, i) => {
    bytes.writeUInt32LE(value >>> 0, 4 * i)
  })
  return bytes
}

export function u64(...values: bigint[]): Buffer {
  const bytes = Buffer.alloc(8 * values.length)
  values.forEach((value, i) => {
    bytes.writeBigUInt64LE(BigInt.asUintN(64, value), 8 * i)
  })
  return bytes
}

/** A region as the table has it: guest address, length, the front-end's own address, offset in the file. */
export function region({ guest, length, user, offset }: Region): Buffer {
  return u64(guest, BigInt(length), user, BigInt(offset))
}

export function table(memory: Memory): Buffer {
  return Buffer.concat([u32(memory.regions.length, 0), ...memory.regions.map(region)])
}

/** Where the three areas of a ring lie, in the front-end's own addresses. */
export function addresses(index: number, { ring }: Lane): Buffer {
  const [descriptors, used, avail] = [ring.descriptors, ring.used, ring.avail].map(({ address }) =>
    ring.memory.user(address),
  )
  return Buffer.concat([u32(index, 0), u64(descriptors, used, avail, 0n)])
}
