/** The baseline: the same forwarding the usual Node way, a Duplex for each port, a Buffer and a callback for each frame. */
import { Duplex } from 'node:stream'
import type { Case } from './case.ts'
import { stream } from './rig.ts'

const FRAMES = 4096

class MemoryPort extends Duplex {
  /** called for every frame that the switch sends here */
  onframe: () => void = () => {}

  override _read(): void {}

  override _write(_frame: Buffer, _encoding: string, done: () => void): void {
    this.onframe()
    done()
  }
}

function frameOf(destination: number, source: number): Buffer {
  const frame = Buffer.alloc(60)
  frame.writeUInt16BE(0x0200, 0)
  frame.writeInt32BE(destination, 2)
  frame.writeUInt16BE(0x0200, 6)
  frame.writeInt32BE(source, 8)
  return frame
}

/** A learning switch over streams: a Map of MAC text, one handler for each port. */
export function duplex(): Case[] {
  return [1, 1000, 60_000].map((macs) => {
    const ports = [new MemoryPort(), new MemoryPort()]
    const table = new Map<string, MemoryPort>()
    const half = Math.max(1, macs >> 1)
    for (let m = 0; m < half; m++) table.set(frameOf(half + m, 0).toString('hex', 0, 6), ports[1])
    for (const port of ports) {
      port.on('data', (frame: Buffer) => {
        table.set(frame.toString('hex', 6, 12), port)
        const to = table.get(frame.toString('hex', 0, 6))
        if (to) to.write(frame)
        else for (const other of ports) if (other !== port) other.write(frame)
      })
    }
    const pairs = stream(macs, FRAMES)
    const run = () =>
      new Promise<void>((resolve) => {
        let left = FRAMES
        ports[1].onframe = () => {
          left--
          if (left === 0) resolve()
        }
        for (let i = 0; i < FRAMES; i++) ports[0].push(frameOf(pairs[2 * i], pairs[2 * i + 1]))
      })
    return { name: `Node streams, ${macs} MACs`, frames: FRAMES, run }
  })
}
