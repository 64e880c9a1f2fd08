/** The parts under the path: pool, ring, checksum, segmentation. */
import { checksum } from '../../src/memory/checksum.ts'
import { Ring } from '../../src/memory/ring.ts'
import { Segmenter } from '../../src/pipeline/segment.ts'
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

export function parts(): Case[] {
  const { arena, pool } = rig(1, 64)
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
    { name: 'checksum, 64 bytes', frames: ROUNDS, run: repeat(() => void checksum(at, 64, 0)) },
    { name: 'checksum, 1,448 bytes', frames: ROUNDS, run: repeat(() => void checksum(at, 1448, 0)) },
    { name: 'segment of 1,448 bytes', frames: 44, run: split },
  ]
}
