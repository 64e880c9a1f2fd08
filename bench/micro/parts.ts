/** The parts under the path: pool, ring, checksum, segmentation. */
import { checksum } from '../../src/memory/checksum.ts'
import { create, Doorbell } from '../../src/memory/doorbell.ts'
import { Ring } from '../../src/memory/ring.ts'
import { permits } from '../../src/pipeline/guard.ts'
import { Segmenter } from '../../src/pipeline/segment.ts'
import { MemoryPort } from '../../src/port/embed.ts'
import { FULL, MemoryQueue } from '../../src/port/memory.ts'
import type { Case } from './case.ts'
import { rig } from './rig.ts'

const ROUNDS = 1024

/** A TCP super-frame over IPv4 with a vnet header that asks for segments of 1,448 bytes; `length` counts from the Ethernet header. */
function superFrame(view: DataView, at: number, length: number): void {
  view.setUint16(at + 12, 0x0800)
  view.setUint8(at + 14, 0x45)
  view.setUint16(at + 16, length - 14)
  view.setUint16(at + 20, 0)
  view.setUint8(at + 23, 6)
  view.setUint8(at + 46, 0x80)
  const header = at - 10
  view.setUint8(header, 1)
  view.setUint8(header + 1, 1)
  view.setUint16(header + 2, 66, true)
  view.setUint16(header + 4, 1448, true)
  view.setUint16(header + 6, 34, true)
  view.setUint16(header + 8, 16, true)
}

/** A memory port's way in: written by the embedding thread, copied into a frame of the pool. */
function embedded(): Case {
  const { arena, pool } = rig(1, 64)
  const { at } = arena.allocate('bench/memory', FULL.length)
  const queue = new MemoryQueue(arena, at, pool.at, FULL)
  const port = new MemoryPort(arena, at, () => {})
  const frame = new Uint8Array(60)
  const block = arena.allocate('bench/block', 4096).at
  const run = () => {
    for (let i = 0; i < 64; i++) port.send(frame)
    pool.giveAll(block >> 2, queue.receive(pool, block, 64))
  }
  return { name: 'memory port: send and receive, 60 bytes', frames: 64, run }
}

/** The guard's question of a port that sends what it may. */
function guarded(): Case {
  const { arena, pool, ports } = rig(1, 64, { guard: { high: 0x0200, low: 1, addresses: [0x0a000001] } })
  const at = pool.frameAt(pool.take())
  arena.view.setUint16(at + 6, 0x0200)
  arena.view.setInt32(at + 8, 1)
  arena.view.setUint16(at + 12, 0x0800)
  arena.view.setUint8(at + 14, 0x45)
  arena.view.setInt32(at + 26, 0x0a000001)
  const run = () => {
    let permitted = 0
    for (let i = 0; i < ROUNDS; i++) if (permits(ports[0], arena.view, at, 60)) permitted++
    if (permitted < ROUNDS) throw new Error('the guard drops what its port may send')
  }
  return { name: 'guard, IPv4', frames: ROUNDS, run }
}

export function parts(): Case[] {
  const { arena, pool } = rig(1, 64)
  const bell = new Doorbell(arena, arena.allocate('bench/doorbell', 64).at, create())
  const ring = new Ring(arena, arena.allocate('bench/ring', 8192).at, 1024)
  const repeat = (run: () => void) => () => {
    for (let i = 0; i < ROUNDS; i++) run()
  }
  const frame = pool.take()
  const at = pool.frameAt(frame)
  const length = 66 + 44 * 1448
  superFrame(arena.view, at, length)
  const segmenter = new Segmenter(arena, pool, arena.allocate('bench/segments', 4096).at)
  const split = () => {
    segmenter.begin(frame, length)
    for (let count = segmenter.next(); count > 0; count = segmenter.next()) segmenter.release(count)
  }
  return [
    { name: 'pool: take and give', frames: ROUNDS, run: repeat(() => pool.give(pool.take())) },
    {
      name: 'ring: push and pop',
      frames: ROUNDS,
      run: repeat(() => {
        ring.push(1)
        ring.pop()
      }),
    },
    { name: 'doorbell of a worker that is awake', frames: ROUNDS, run: repeat(() => bell.wake()) },
    guarded(),
    embedded(),
    { name: 'checksum, 64 bytes', frames: ROUNDS, run: repeat(() => void checksum(at, 64, 0)) },
    { name: 'checksum, 1,448 bytes', frames: ROUNDS, run: repeat(() => void checksum(at, 1448, 0)) },
    { name: 'segment of 1,448 bytes', frames: 44, run: split },
  ]
}
