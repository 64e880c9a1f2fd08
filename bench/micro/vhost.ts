/**
 * Frames from one guest's ring to another's, in this thread: rings walked, bytes copied, the bridge between them. The driver's side is as
 * cheap as one can be: its descriptors stand for ever, and an index is stored a burst. What two processes' caches add is not in it.
 */
import { native } from '../../src/memory/native.ts'
import { DATA_AT, STRIDE } from '../../src/memory/pool.ts'
import { LENGTH } from '../../src/vhost/layout.ts'
import { VhostQueue } from '../../src/vhost/queue.ts'
import type { Case } from './case.ts'
import { rig } from './rig.ts'

/** frames that a call of what `exchange` returns moves */
export const FRAMES = 4096
const BURST = 32
const SIZE = 1024
const MEMORY = 16 * 2 ** 20
/** Buffers as a driver has them: 2 KiB apart, their areas before them. */
const BUFFERS_AT = 2 ** 20
const BUFFER = 2048
const RING = 2 ** 16
const HEADER = 12

/** Lays out a ring of buffers that are `flags` (0 or WRITE), each with a frame from station `from` to `to`. */
function ring(bytes: Uint8Array<ArrayBuffer>, at: number, first: number, length: number, flags: number) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, MEMORY)
  for (let i = 0; i < SIZE; i++) {
    const buffer = BUFFERS_AT + (first + i) * BUFFER
    view.setBigUint64(at + 16 * i, BigInt(buffer), true)
    view.setUint32(at + 16 * i + 8, length, true)
    view.setUint16(at + 16 * i + 12, flags, true)
    view.setUint16(at + 16 * SIZE + 4 + 2 * i, i, true)
  }
  const address = (offset: number) => BigInt(at + offset)
  const program = { generation: 1, size: SIZE, base: 0, kick: -1, call: -1, enabled: true }
  const areas = { descriptors: address(0), avail: address(16 * SIZE), used: address(16 * SIZE + 4096) }
  // The driver wants no notifications.
  view.setUint16(at + 16 * SIZE, 1, true)
  return {
    program: { ...program, ...areas },
    avail: new Uint16Array(bytes.buffer, bytes.byteOffset + at + 16 * SIZE, 2),
  }
}

function guest(made: ReturnType<typeof rig>, number: number, length: number, room: number) {
  const { arena, pool } = made
  const fd = native.memoryCreate('bench', MEMORY)
  const mapping = native.guestMap(fd, 0n, BigInt(MEMORY))
  const region = { mapping, guest: 0n, user: 0n, length: BigInt(MEMORY), offset: 0n }
  const table = native.guestTable([region])
  const bytes = new Uint8Array(native.arenaMap(fd, MEMORY))
  const transmit = ring(bytes, 0, 0, HEADER + length, 0)
  const receive = ring(bytes, RING, SIZE, room, 2)
  const view = new DataView(bytes.buffer, bytes.byteOffset, MEMORY)
  for (let i = 0; i < SIZE; i++) {
    const frame = BUFFERS_AT + i * BUFFER + HEADER
    view.setUint16(frame, 0x0200)
    view.setInt32(frame + 2, 1 - number)
    view.setUint16(frame + 6, 0x0200)
    view.setInt32(frame + 8, number)
    view.setUint16(frame + 12, 0x0800)
  }
  const line = arena.allocate(`bench/line/${number}`, 64).at
  const vring = arena.allocate(`bench/vring/${number}`, LENGTH).at
  const queue = new VhostQueue(arena, pool, line, vring)
  const pairs = [{ transmit: transmit.program, receive: receive.program }]
  queue.seat({ table, headerLength: HEADER, mergeable: true, eventIndex: false, pairs }, 0)
  return { queue, transmit: transmit.avail, receive: receive.avail }
}

/** Two guests that send frames of `length` bytes to each other in bursts; what they receive lies in buffers of `room` bytes. */
export function exchange(length: number, room: number): () => void {
  const made = rig(2, 1024)
  const [a, b] = [guest(made, 0, length, room), guest(made, 1, length, room)]
  made.ports[0].queue = a.queue
  made.ports[1].queue = b.queue
  const buffers = Math.ceil((HEADER + length) / room)
  const pass = (from: typeof a, to: typeof a, port: number) => {
    to.receive[1] += BURST * buffers
    from.transmit[1] += BURST
    const count = made.dataplane.service(made.ports[port], from.queue)
    if (count !== BURST) throw new Error(`${count} of ${BURST} frames passed`)
  }
  // Native knows one arena a thread, that of the rig made last.
  const bind = () => native.arenaBind(made.arena.u8, made.pool.at, STRIDE, DATA_AT)
  bind()
  pass(b, a, 1)
  return () => {
    bind()
    for (let i = 0; i < FRAMES / BURST; i += 2) {
      pass(a, b, 0)
      pass(b, a, 1)
    }
  }
}

export function rings(): Case[] {
  return [64, 512, 1514].map((length) => {
    const name = `vhost-user to vhost-user, ${length} bytes, burst ${BURST}`
    return { name, frames: FRAMES, run: exchange(length, BUFFER) }
  })
}
