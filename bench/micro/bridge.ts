/** The whole bridge path in memory, and its stages alone. */
import { Burst } from '../../src/pipeline/burst.ts'
import { Parse } from '../../src/pipeline/parse.ts'
import { DYNAMIC, OPEN } from '../../src/table/mac.ts'
import type { Case } from './case.ts'
import { type Rig, rig, StreamQueue, stream } from './rig.ts'

/** Frames that one timed call moves: long beside the clock's 40 ns. */
const FRAMES = 4096
const LENGTH = 60

export function times(burst: number, run: () => void): () => void {
  const rounds = FRAMES / burst
  return () => {
    for (let i = 0; i < rounds; i++) run()
  }
}

/** A rig whose second port has half of the stations, and a stream from the first to them. */
export function meet(macs: number, burst: number): { rig: Rig; queue: StreamQueue } {
  const made = rig(2, 65_536)
  const half = Math.max(1, macs >> 1)
  const queue = new StreamQueue(made.arena, stream(macs, 4096), LENGTH, burst)
  made.ports[1].queue = new StreamQueue(made.arena, new Int32Array(2), LENGTH, burst)
  for (let m = 0; m < half; m++) {
    made.ports[0].network.macs.insert(0x0200, m, 0, DYNAMIC, 0)
    made.ports[1].network.macs.insert(0x0200, half + m, 1, DYNAMIC, 0)
  }
  return { rig: made, queue }
}

export function whole(): Case[] {
  const found: Case[] = []
  for (const burst of [1, 8, 64]) {
    const { rig, queue } = meet(1, burst)
    const { pool } = rig
    const generate = () => {
      const count = queue.receive(pool, 2 ** 29, burst)
      pool.free += count
    }
    found.push({
      name: `stream of headers alone, burst ${burst}`,
      frames: FRAMES,
      run: times(burst, generate),
    })
    for (const macs of [1, 1000, 60_000]) {
      const { rig, queue } = meet(macs, burst)
      const run = times(burst, () => void rig.dataplane.service(rig.ports[0], queue))
      found.push({ name: `bridge, ${macs} MACs, burst ${burst}`, frames: FRAMES, run })
    }
  }
  return found
}

/** Parse, and learn with look-up, each over one burst that stays where it is. */
export function stages(): Case[] {
  return [1, 1000, 60_000].flatMap((macs) => {
    const { rig, queue } = meet(macs, 64)
    const { arena, pool, counters, ports } = rig
    const bursts = Array.from({ length: FRAMES / 64 / 4 }, (_, b) => {
      const burst = new Burst(arena, arena.allocate(`burst/${b}`, 4096).at)
      burst.count = queue.receive(pool, burst.blockAt, 64)
      return burst
    })
    const parse = new Parse(arena.view, pool, counters)
    const { macs: table } = ports[0].network
    const strangers = new Int32Array(64)
    const unknown = new Int32Array(64)
    const over = (act: (burst: Burst) => void) => () => {
      for (let b = 0; b < bursts.length; b++) act(bursts[b])
    }
    const frames = FRAMES / 4
    return [
      { name: `parse, ${macs} MACs`, frames, run: over((burst) => void parse.run(burst, ports[0])) },
      {
        name: `learn and look up, ${macs} MACs`,
        frames,
        run: over((burst) => {
          burst.verdict.fill(OPEN)
          table.meet(arena.view, burst, 0, 64, 0, 0, strangers, unknown)
        }),
      },
    ]
  })
}
