// Hot: from decisions to queues. Cost: 5 ns a frame to one port, and one call a burst and port (npm run bench, "deliver").
/**
 * Deliver puts frames on the pending burst of their egress port and, when the burst is through, transmits what is pending. A port
 * whose queue another worker has is reached by ring: the frame itself for one port, one copy a worker for a flood.
 */
import type { Arena } from '../memory/arena.ts'
import { BURST, ERRORS, LENGTHS } from '../memory/block.ts'
import { DROPS, TX_BYTES, TX_FRAMES } from '../memory/counters.ts'
import type { Pool } from '../memory/pool.ts'
import type { Port } from '../port/port.ts'
import * as ethernet from '../wire/ethernet.ts'
import * as vnet from '../wire/vnet.ts'
import { reaches } from './bridge.ts'
import { type Burst, DROPPED, FLOOD } from './burst.ts'
import type { Crossing } from './crossing.ts'
import * as offload from './offload.ts'
import * as reason from './reason.ts'
import type { Segmenter } from './segment.ts'

/** errno values of a write that say the other end takes no more now (errno(3), Linux) */
const EAGAIN = 11
const ENOMEM = 12
const ENOBUFS = 105
/** and those that say it is not there: EIO (TAP link down), ENXIO, ENETDOWN, EBADFD (TAP device gone) */
const EIO = 5
const ENXIO = 6
const ENETDOWN = 100
const EBADFD = 77
/** EAFNOSUPPORT: a tun port's word for a frame that is no IPv4 */
const EAFNOSUPPORT = 97

function reasonOf(errno: number): number {
  if (errno === EAGAIN || errno === ENOBUFS || errno === ENOMEM) return reason.EGRESS_FULL
  if (errno === EIO || errno === ENETDOWN || errno === ENXIO || errno === EBADFD) return reason.EGRESS_DOWN
  return errno === EAFNOSUPPORT ? reason.NOT_IP : reason.EGRESS_REFUSED
}

export class Deliver {
  private readonly i32: Int32Array
  private readonly view: DataView
  private readonly pool: Pool
  private readonly counters: Float64Array
  private readonly ports: Port[]
  private readonly crossing: Crossing
  private readonly segmenter: Segmenter
  private readonly segmentBlockAt: number
  private readonly worker: number
  /** ports with a pending burst */
  private readonly active: Int32Array
  private activeCount = 0

  constructor(
    arena: Arena,
    pool: Pool,
    counters: Float64Array,
    ports: Port[],
    crossing: Crossing,
    segmenter: Segmenter,
    segmentBlockAt: number,
    worker: number,
  ) {
    this.i32 = arena.i32
    this.view = arena.view
    this.pool = pool
    this.counters = counters
    this.ports = ports
    this.crossing = crossing
    this.segmenter = segmenter
    this.segmentBlockAt = segmentBlockAt
    this.worker = worker
    this.active = new Int32Array(ports.length)
  }

  /** Takes every frame of the burst to where its egress column says. */
  run(burst: Burst): void {
    for (let i = 0; i < burst.count; i++) {
      const egress = burst.egress[i]
      if (egress === DROPPED) continue
      const from = this.ports[burst.ingress[i]]
      if (egress === FLOOD) this.flood(burst.frame(i), burst.length(i), from)
      else this.unicast(burst, i, this.ports[egress], from)
    }
    this.flush()
  }

  private unicast(burst: Burst, i: number, to: Port, from: Port): void {
    if (to.queue !== null) {
      this.enqueue(to, burst.frame(i), burst.length(i))
    } else if (to.worker === this.worker || to.worker < 0) {
      this.counters[to.row + DROPS + reason.EGRESS_DOWN]++
    } else if (this.crossing.send(to.worker, burst.frame(i), burst.length(i), from.index, to.index)) {
      burst.i32[burst.block + i] = -1
    } else {
      this.counters[from.row + DROPS + reason.RING_FULL]++
    }
  }

  /** To every member that the ingress port reaches; other workers get one copy each and flood to their own queues. */
  private flood(frame: number, length: number, from: Port): void {
    const members = from.network.members
    // A flood that came by ring was spread over the workers by the network's own.
    const bridged = from.network.worker === this.worker
    let remote = 0
    let targets = 0
    for (let m = 0; m < members.length; m++) {
      const to = members[m]
      if (to === from || !reaches(from, to)) continue
      if (to.queue !== null) this.enqueue(to, frame, length)
      else if (to.worker !== this.worker) remote |= 1 << to.worker
      else if (bridged) this.counters[to.row + DROPS + reason.EGRESS_DOWN]++
      targets++
    }
    if (targets === 0) this.counters[from.row + DROPS + reason.NO_DESTINATION]++
    for (let w = 0; bridged && remote !== 0; w++, remote >>>= 1) {
      if ((remote & 1) === 0) continue
      const copy = this.pool.take()
      if (copy < 0) this.counters[from.row + DROPS + reason.NO_FRAMES]++
      else {
        this.crossing.copy(frame, copy, length)
        if (!this.crossing.send(w, copy, length, from.index, FLOOD)) {
          this.pool.give(copy)
          this.counters[from.row + DROPS + reason.RING_FULL]++
        }
      }
    }
  }

  private enqueue(to: Port, frame: number, length: number): void {
    const at = this.pool.frameAt(frame)
    // Whatever the tags and the segmentation, a frame this short is within the MTU.
    if (length > to.mtu + ethernet.HEADER_LENGTH && offload.packetLength(this.view, at, length) > to.mtu) {
      this.counters[to.row + DROPS + reason.OVERSIZE]++
      return
    }
    if (vnet.work(this.view, at - vnet.LENGTH) !== 0) {
      const missing = offload.needed(this.view, at) & ~to.offloads
      if (missing !== 0) {
        if (vnet.gsoType(this.view, at - vnet.LENGTH) !== vnet.GSO_NONE) {
          this.split(to, frame, length)
          return
        }
        offload.complete(this.view, at, length)
      }
    }
    const n = to.pending
    if (!to.active) {
      to.active = true
      this.active[this.activeCount++] = to.index
    }
    this.i32[to.block + n] = frame
    this.i32[to.block + LENGTHS + n] = length
    to.pending = n + 1
    if (n + 1 === BURST) this.transmit(to, to.block << 2)
  }

  /** Sends a GSO frame as segments, behind what is pending already: a flow stays in order. */
  private split(to: Port, frame: number, length: number): void {
    this.transmit(to, to.block << 2)
    this.segmenter.begin(frame, length)
    for (;;) {
      const count = this.segmenter.next()
      if (count < 0) this.counters[to.row + DROPS + reason.NO_FRAMES]++
      if (count <= 0) return
      this.send(to, this.segmentBlockAt, count)
      this.segmenter.release(count)
    }
  }

  private flush(): void {
    for (let i = 0; i < this.activeCount; i++) {
      const port = this.ports[this.active[i]]
      port.active = false
      this.transmit(port, port.block << 2)
    }
    this.activeCount = 0
  }

  private transmit(port: Port, blockAt: number): void {
    const count = port.pending
    port.pending = 0
    if (count > 0) this.send(port, blockAt, count)
  }

  private send(port: Port, blockAt: number, count: number): void {
    const queue = port.queue
    if (queue === null) {
      this.counters[port.row + DROPS + reason.EGRESS_DOWN] += count
      return
    }
    const sent = queue.transmit(blockAt, count)
    const block = blockAt >> 2
    let bytes = 0
    for (let i = 0; i < count; i++) bytes += this.i32[block + LENGTHS + i]
    if (sent < count) {
      for (let i = 0; i < count; i++) {
        const errno = this.i32[block + ERRORS + i]
        if (errno === 0) continue
        bytes -= this.i32[block + LENGTHS + i]
        this.counters[port.row + DROPS + reasonOf(errno)]++
      }
    }
    this.counters[port.row + TX_FRAMES] += sent
    this.counters[port.row + TX_BYTES] += bytes
  }
}
