/** Where a worker's own things lie in the arena, and the rings between workers. Both sides compute the same places. */
import type { Arena } from '../memory/arena.ts'
import { BLOCK_LENGTH, BURST } from '../memory/block.ts'
import { PORT_COUNT_MAX } from '../memory/counters.ts'
import * as ring from '../memory/ring.ts'

/** Offsets in bytes within the arena. */
export interface Layout {
  clockAt: number
  eventsAt: number
  burstAt: number
  segmentAt: number
  /** one block a port */
  portBlocksAt: number
  stackAt: number
}

/** Rings between two workers: frames that go on, and frames that go home. A worker's frames all fit into one ring home. */
const ONWARD = 1024

function homeCapacity(framesPerWorker: number): number {
  return 2 ** Math.ceil(Math.log2(framesPerWorker))
}

export function worker(arena: Arena, index: number, framesPerWorker: number): Layout {
  const eventsLength = BURST * 8
  const length = 64 + eventsLength + (2 + PORT_COUNT_MAX) * BLOCK_LENGTH + framesPerWorker * 4
  const { at } = arena.allocate(`worker/${index}`, length)
  const burstAt = at + 64 + eventsLength
  const portBlocksAt = burstAt + 2 * BLOCK_LENGTH
  return {
    clockAt: at,
    eventsAt: at + 64,
    burstAt,
    segmentAt: burstAt + BLOCK_LENGTH,
    portBlocksAt,
    stackAt: portBlocksAt + PORT_COUNT_MAX * BLOCK_LENGTH,
  }
}

/** The ring that carries frames from one worker on to another. */
export function onward(arena: Arena, from: number, to: number): ring.Ring {
  return new ring.Ring(arena, arena.allocate(`ring/onward/${from}/${to}`, ring.lengthOf(ONWARD)).at, ONWARD)
}

/** The ring that carries frames from one worker home to another. */
export function home(arena: Arena, from: number, to: number, framesPerWorker: number): ring.Ring {
  const capacity = homeCapacity(framesPerWorker)
  return new ring.Ring(arena, arena.allocate(`ring/home/${from}/${to}`, ring.lengthOf(capacity)).at, capacity)
}
