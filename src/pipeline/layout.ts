/** Where a worker's own things lie in the arena, and the rings between workers. Both sides compute the same places. */
import type { Arena } from '../memory/arena.ts'
import { BLOCK_LENGTH } from '../memory/block.ts'
import { PORT_COUNT_MAX } from '../memory/counters.ts'
import * as poll from '../memory/poll.ts'
import * as ring from '../memory/ring.ts'
import { Network } from '../port/network.ts'
import { Port } from '../port/port.ts'
import { lengthOf, MacTable } from '../table/mac.ts'
import * as vring from '../vhost/layout.ts'
import { SCRATCH_LENGTH } from './capture.ts'

/** Offsets in bytes within the arena. */
export interface Layout {
  pollAt: number
  burstAt: number
  segmentAt: number
  /** the gateway's own frames */
  outboxAt: number
  /** what captures work with */
  captureAt: number
  /** lists of guests' buffers */
  vringAt: number
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
  const blocks = (3 + PORT_COUNT_MAX) * BLOCK_LENGTH
  const length = poll.LENGTH + blocks + SCRATCH_LENGTH + vring.LENGTH + framesPerWorker * 4
  const { at } = arena.allocate(`worker/${index}`, length)
  const burstAt = at + poll.LENGTH
  const captureAt = burstAt + 3 * BLOCK_LENGTH
  const vringAt = captureAt + SCRATCH_LENGTH
  const portBlocksAt = vringAt + vring.LENGTH
  return {
    pollAt: at,
    burstAt,
    segmentAt: burstAt + BLOCK_LENGTH,
    outboxAt: burstAt + 2 * BLOCK_LENGTH,
    captureAt,
    vringAt,
    portBlocksAt,
    stackAt: portBlocksAt + PORT_COUNT_MAX * BLOCK_LENGTH,
  }
}

/** The ring that carries frames from one worker on to another. */
function onward(arena: Arena, from: number, to: number): ring.Ring {
  return new ring.Ring(arena, arena.allocate(`ring/onward/${from}/${to}`, ring.lengthOf(ONWARD)).at, ONWARD)
}

/** The ring that carries frames from one worker home to another. */
function home(arena: Arena, from: number, to: number, framesPerWorker: number): ring.Ring {
  const capacity = homeCapacity(framesPerWorker)
  return new ring.Ring(arena, arena.allocate(`ring/home/${from}/${to}`, ring.lengthOf(capacity)).at, capacity)
}

/** A worker's rings, by the other worker; null where that is itself. */
export interface Rings {
  onward: (ring.Ring | null)[]
  home: (ring.Ring | null)[]
  arriving: (ring.Ring | null)[]
  returning: (ring.Ring | null)[]
}

export function rings(arena: Arena, self: number, workers: number, framesPerWorker: number): Rings {
  const others = Array.from({ length: workers }, (_, w) => w)
  const each = (make: (other: number) => ring.Ring) => others.map((w) => (w === self ? null : make(w)))
  return {
    onward: each((w) => onward(arena, self, w)),
    home: each((w) => home(arena, self, w, framesPerWorker)),
    arriving: each((w) => onward(arena, w, self)),
    returning: each((w) => home(arena, w, self, framesPerWorker)),
  }
}

/** A network and a port that stand where none is, so that the arrays hold one kind of object. */
export function none(arena: Arena): Port {
  const { at } = arena.allocate('none', lengthOf(1))
  const port = new Port(0, 0, new Network(-1, -1, 0, new MacTable(arena, at, 1, 0, 1)), 0, at)
  port.worker = -1
  return port
}
