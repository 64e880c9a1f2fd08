// Hot: the first stage. Cost: 3 ns a frame (npm run bench, "parse").
/** Parse checks once what the stages behind rely on: a whole Ethernet header, a vnet header that tells the truth. */
import { DROPS } from '../memory/counters.ts'
import type { Pool } from '../memory/pool.ts'
import type { Port } from '../port/port.ts'
import * as ethernet from '../wire/ethernet.ts'
import * as vnet from '../wire/vnet.ts'
import { type Burst, DROPPED, UNDECIDED } from './burst.ts'
import { packetLength, validate } from './offload.ts'
import * as reason from './reason.ts'

export class Parse {
  private readonly view: DataView
  private readonly pool: Pool
  private readonly counters: Float64Array

  constructor(view: DataView, pool: Pool, counters: Float64Array) {
    this.view = view
    this.pool = pool
    this.counters = counters
  }

  /** Marks every frame of a burst that came from `port` as undecided or dropped. */
  run(burst: Burst, port: Port): void {
    for (let i = 0; i < burst.count; i++) {
      burst.ingress[i] = port.index
      const length = burst.length(i)
      let why = -1
      if (length < ethernet.HEADER_LENGTH) why = length < 0 ? reason.TRUNCATED : reason.RUNT
      else {
        const at = this.pool.frameAt(burst.frame(i))
        if (vnet.work(this.view, at - vnet.LENGTH) !== 0) why = validate(this.view, at, length)
        // Whatever the tags and the segmentation, a frame this short is within the MTU.
        if (why < 0 && length > port.network.mtu + ethernet.HEADER_LENGTH)
          why = this.measure(at, length, port)
      }
      burst.egress[i] = why < 0 ? UNDECIDED : DROPPED
      if (why >= 0) this.counters[port.row + DROPS + why]++
    }
  }

  private measure(at: number, length: number, port: Port): number {
    return packetLength(this.view, at, length) > port.network.mtu ? reason.OVERSIZE : -1
  }
}
