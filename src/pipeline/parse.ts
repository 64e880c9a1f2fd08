// Hot: the first stage. Cost: 10 ns a frame whose header is in no cache (npm run bench).
/** Parse checks once what the stages behind rely on: a whole Ethernet header, a vnet header that tells the truth. */
import { BURST, LENGTHS } from '../memory/block.ts'
import { DROPS } from '../memory/counters.ts'
import { type Pool, STRIDE } from '../memory/pool.ts'
import type { Port } from '../port/port.ts'
import * as ethernet from '../wire/ethernet.ts'
import * as vnet from '../wire/vnet.ts'
import { type Burst, dropped, UNDECIDED } from './burst.ts'
import { packetLength, validate } from './offload.ts'
import * as reason from './reason.ts'

export class Parse {
  private readonly view: DataView
  private readonly pool: Pool
  private readonly counters: Float64Array
  private readonly odd = new Int32Array(BURST)

  constructor(view: DataView, pool: Pool, counters: Float64Array) {
    this.view = view
    this.pool = pool
    this.counters = counters
  }

  /** Fills the columns of a burst that came from `port`: every frame is undecided or dropped. Returns the bytes of all. */
  run(burst: Burst, port: Port): number {
    const { view, odd } = this
    const { i32, at, work, ingress, verdict } = burst
    const count = burst.count | 0
    const block = burst.block | 0
    const base = this.pool.base | 0
    const index = port.index | 0
    // Whatever the tags and the segmentation, a frame this short is within the MTU.
    const short = (port.network.mtu + ethernet.HEADER_LENGTH) | 0
    let odds = 0
    let bytes = 0
    for (let i = 0; i < count; i++) {
      const length = i32[block + LENGTHS + i]
      const start = base + i32[block + i] * STRIDE
      // flags, GSO type and header length: all zero in the header of a frame that asks for nothing
      const asks = view.getInt32(start - vnet.LENGTH)
      at[i] = start
      bytes += Math.max(length, 0)
      work[i] = asks
      ingress[i] = index
      verdict[i] = UNDECIDED
      if (asks !== 0 || length < ethernet.HEADER_LENGTH || length > short) odd[odds++] = i
    }
    burst.plain = odds === 0
    for (let o = 0; o < odds; o++) this.examine(burst, odd[o], i32[block + LENGTHS + odd[o]], port)
    return bytes
  }

  /** The rarer frames: offloaded, long, malformed. */
  private examine(burst: Burst, i: number, length: number, port: Port): void {
    const at = burst.at[i]
    let why = -1
    if (length < ethernet.HEADER_LENGTH) why = length < 0 ? reason.TRUNCATED : reason.RUNT
    else if (burst.work[i] !== 0) {
      why = validate(this.view, at, length)
      burst.work[i] = vnet.work(this.view, at - vnet.LENGTH)
    }
    if (why < 0 && length > port.network.mtu + ethernet.HEADER_LENGTH) {
      if (packetLength(this.view, at, length) > port.network.mtu) why = reason.OVERSIZE
    }
    if (why < 0) return
    burst.verdict[i] = dropped(why)
    this.counters[port.row + DROPS + why]++
  }
}
