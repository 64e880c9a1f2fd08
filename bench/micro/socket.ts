/** Bursts over unix sockets, both ends in this thread: a stream, and datagrams, of which the kernel queues ten (net.unix.max_dgram_qlen). */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LENGTHS } from '../../src/memory/block.ts'
import { block } from '../../src/memory/counters.ts'
import { native } from '../../src/memory/native.ts'
import { DATA_AT, STRIDE } from '../../src/memory/pool.ts'
import { bind } from '../../src/port/channel.ts'
import { DgramQueue } from '../../src/port/dgram.ts'
import type { Queue } from '../../src/port/queue.ts'
import { StreamQueue } from '../../src/port/stream.ts'
import type { Case } from './case.ts'
import { rig } from './rig.ts'

/** One burst there and taken here again. */
function burst(name: string, frames: number, length: number, there: Queue, here: Queue): Case {
  const { arena, pool } = rig(1, 64)
  const at = arena.allocate('bench/there', 4096).at
  const back = arena.allocate('bench/back', 4096).at
  // Native moves frames of the pool that was bound last, and every case has its own.
  const before = () => native.arenaBind(arena.u8, pool.at, STRIDE, DATA_AT)
  for (let i = 0; i < frames; i++) {
    arena.i32[(at >> 2) + i] = pool.take()
    arena.i32[(at >> 2) + LENGTHS + i] = length
  }
  const run = () => {
    there.transmit(at, frames)
    const count = here.receive(pool, back, frames)
    if (count !== frames) throw new Error(`${count} of ${frames} frames came`)
    pool.giveAll(back >> 2, count)
  }
  return { name, frames, run, before }
}

export function sockets(): Case[] {
  const folder = mkdtempSync(join(tmpdir(), 'bpbench-'))
  const [path, near, far] = ['a', 'near', 'far'].map((name) => join(folder, name))
  const { arena } = rig(1, 64)
  const counters = block(arena, 0)
  const listening = native.unixListen({ path, kind: 'stream', mode: 0o600, owner: -1 })
  const [there, here] = [native.unixConnect(path), native.unixAccept(listening)].map(
    (fd) => new StreamQueue(fd),
  )
  const datagrams = (own: string, other: string) =>
    new DgramQueue(arena, counters, 0, bind(own, 0o600, -1), other)
  const [first, second] = [datagrams(near, far), datagrams(far, near)]
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
  return [
    burst('stream socket: send and receive, 60 bytes', 64, 60, there, here),
    burst('stream socket: send and receive, 1,514 bytes', 64, 1514, there, here),
    burst('dgram socket: send and receive, 60 bytes', 8, 60, first, second),
  ]
}
