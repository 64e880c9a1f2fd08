/** Which ports a worker's captures watch. Cold: a capture begins or ends, or ports came and went. */
import type { Arena } from '../memory/arena.ts'
import type { Pool } from '../memory/pool.ts'
import type { Port } from '../port/port.ts'
import type { Capture } from './capture.ts'
import type { CaptureProgram } from './program.ts'
import { Recorder } from './recorder.ts'

export class Watch {
  private readonly arena: Arena
  private readonly pool: Pool
  private readonly capture: Capture
  private readonly ports: readonly Port[]
  private readonly programs = new Map<number, CaptureProgram>()

  constructor(arena: Arena, pool: Pool, capture: Capture, ports: readonly Port[]) {
    this.arena = arena
    this.pool = pool
    this.capture = capture
    this.ports = ports
  }

  /** A capture begins, goes on with other ports, or ends with null. */
  set(slot: number, program: CaptureProgram | null): void {
    const { recorders } = this.capture
    if (program === null) {
      this.programs.delete(slot)
      recorders[slot] = null
    } else {
      if (this.programs.get(slot)?.at !== program.at)
        recorders[slot] = new Recorder(this.arena, this.pool, this.capture.taskAt, program)
      this.programs.set(slot, program)
    }
    this.capture.active = this.programs.size > 0
    this.mark()
  }

  /** Gives each port the bits of the captures that watch it. */
  mark(): void {
    for (const port of this.ports) port.watched = 0
    for (const [slot, { ports }] of this.programs)
      for (const [index, incarnation] of ports) {
        const port = this.ports[index]
        if (port.incarnation === incarnation) port.watched |= 1 << slot
      }
  }
}
