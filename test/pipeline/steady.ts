/**
 * `steady.ts TRAFFIC [wasteful]`: warms a dataplane up, then moves a million frames through the whole bridge path between two lines of
 * output, and says what the heap did meanwhile.
 */
import type { Arena } from '../../src/memory/arena.ts'
import { ERRORS, LENGTHS } from '../../src/memory/block.ts'
import type { Pool } from '../../src/memory/pool.ts'
import type { Queue } from '../../src/port/queue.ts'
import { DYNAMIC } from '../../src/table/mac.ts'
import { measure } from '../lab/million.ts'
import { Rig } from '../lab/rig.ts'
import { asking } from '../lab/super.ts'
import { Tape } from '../lab/tape.ts'

const [traffic, wasteful] = process.argv.slice(2)
const templates = {
  tcp: asking({ kind: 'tcp4', payload: new Uint8Array(8 * 100), size: 100 }),
  udp: asking({ kind: 'udp6', payload: new Uint8Array(100), size: 0 }),
}

/** Writes frames where they lie, as a device would; swallows what is sent. */
class Source implements Queue {
  readonly fd = -1
  readonly quiet = true
  moved = 0
  private readonly arena: Arena
  private number = 0
  last: object | null = null

  constructor(rig: Rig) {
    this.arena = rig.arena
  }

  receive(pool: Pool, blockAt: number, capacity: number): number {
    const { i32 } = this.arena
    for (let i = 0; i < capacity; i++) {
      const frame = pool.take()
      i32[(blockAt >> 2) + i] = frame
      i32[(blockAt >> 2) + LENGTHS + i] = this.write(pool.frameAt(frame), this.number++)
      if (wasteful) this.last = { frame, before: null }
    }
    return capacity
  }

  /** The next frame of the traffic; returns its length. */
  private write(at: number, number: number): number {
    const { view } = this.arena
    if (traffic === 'offloaded') return this.copy(at, number % 2 === 0 ? templates.tcp : templates.udp)
    view.setInt32(at - 10, 0)
    view.setUint16(at, traffic === 'flooded' ? 0xffff : 0x0200)
    view.setInt32(at + 2, traffic === 'flooded' ? -1 : 1000 + (number % 100))
    view.setUint16(at + 6, 0x0200)
    // Stations that come for the first time, or that move between the two ports.
    view.setInt32(at + 8, traffic === 'changing' ? number % 3000 : number % 100)
    view.setUint16(at + 12, 0x0800)
    if (traffic === 'dropped' && number % 4 === 0) view.setUint16(at + 6, 0x0100)
    return traffic === 'dropped' && number % 4 === 1 ? 13 : 60
  }

  private copy(at: number, { frame, vnet }: { frame: Uint8Array; vnet: Uint8Array }): number {
    this.arena.u8.set(vnet, at - 10)
    this.arena.u8.set(frame, at)
    return frame.length
  }

  transmit(blockAt: number, count: number): number {
    for (let i = 0; i < count; i++) this.arena.i32[(blockAt >> 2) + ERRORS + i] = 0
    this.moved += count
    return count
  }

  close(): void {}
}

const limits = traffic === 'dropped' ? { floodLimit: 1000, macLimit: 90 } : {}
const rig = new Rig({
  networks: [{ macCapacity: 2048, ageingMs: traffic === 'changing' ? 1000 : 300_000 }],
  ports: [limits, { offloads: 0 }, { offloads: traffic === 'offloaded' ? 1 : 31 }],
})
const sources = [0, 1, 2].map(() => new Source(rig))
for (const [index, source] of sources.entries()) rig.port(index).queue = source
for (let station = 0; station < 100; station++) rig.macs().insert(0x0200, 1000 + station, 1, DYNAMIC, 0)

/** A capture of everything, whose reader is quick, or of what no frame is. */
const tape = new Tape(rig.arena, 2 ** 20)
const NOTHING = Int32Array.from([0x28, 12, 0x15 | (1 << 24), 0x88cc, 0x06, 65_535, 0x06, 0])
if (traffic === 'captured' || traffic === 'filtered') {
  const ports = [0, 1, 2].map((index): [number, number] => [index, index + 1])
  const filter = traffic === 'filtered' ? NOTHING : null
  const what = { snap: 65_535, directions: 3, drops: false, filter, ports }
  rig.swap.capture(0, { at: tape.at, words: tape.words, ...what })
}

function move(count: number): void {
  for (let done = 0; done < count; ) {
    const port = traffic === 'changing' && done % 3 === 0 ? 2 : 0
    tape.skip()
    done += rig.dataplane.service(rig.port(port), sources[port])
    // The clock goes on a millisecond a burst, so ageing, sweeping and allowances work.
    rig.time = (rig.time + 1) | 0
  }
}

measure(move, () => sources.reduce((sum, source) => sum + source.moved, 0))
