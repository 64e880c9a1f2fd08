/** The whole bridge path in memory: receive → parse → bridge → deliver → transmit, without a kernel. */
import { DYNAMIC } from '../../src/table/mac.ts'
import { rig, StreamQueue, stream } from './rig.ts'

export interface Case {
  name: string
  /** frames that one call moves */
  frames: number
  run(): void
}

/** One case for every number of MACs and every burst size, and the generator alone. */
export function cases(): Case[] {
  const found: Case[] = []
  for (const macs of [1, 1000, 60_000]) {
    for (const burst of [1, 8, 64]) {
      const { arena, pool, dataplane, ports } = rig(2, 65_536)
      const queue = new StreamQueue(arena, stream(macs, 4096), 60, burst)
      const half = Math.max(1, macs >> 1)
      ports[1].queue = new StreamQueue(arena, new Int32Array(2), 60, burst)
      for (let m = 0; m < half; m++) ports[1].network.macs.insert(0x0200, half + m, 1, DYNAMIC, 0)
      found.push({
        name: `bridge, ${macs} MACs, burst ${burst}`,
        frames: burst,
        run: () => void dataplane.service(ports[0], queue),
      })
      if (macs > 1) continue
      found.push({
        name: `generator alone, burst ${burst}`,
        frames: burst,
        run: () => {
          const count = queue.receive(pool, 2 ** 29, burst)
          pool.free += count
        },
      })
    }
  }
  return found
}
