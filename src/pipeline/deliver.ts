// Hot: from decisions to queues. Cost: a few stores a frame, and one call a burst and port.
/**
 * Deliver puts frames on the pending burst of their egress port and, when the burst is through, transmits what is pending. A port
 * whose queue another worker has is reached by ring: the frame itself for one port, one copy a worker for a flood.
 */
import type { Arena } from '../memory/arena.ts'
import { ERRORS, LENGTHS } from '../memory/block.ts'
import { DROPS, TX_BYTES, TX_FRAMES } from '../memory/counters.ts'
import type { Pool } from '../memory/pool.ts'
import type { Port } from '../port/port.ts'
import * as ethernet from '../wire/ethernet.ts'
import * as vnet from '../wire/vnet.ts'
import { reaches } from './bridge.ts'
import { type Burst, dropped, FLOOD } from './burst.ts'
import type { Capture } from './capture.ts'
import type { Crossing } from './crossing.ts'
import * as offload from './offload.ts'
import * as reason from './reason.ts'
import { OUTBOUND } from './record.ts'
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
/** of a unix socket whose other end is gone or was never there */
const ENOENT = 2
const EPIPE = 32
const ECONNRESET = 104
const ECONNREFUSED = 111
/** EAFNOSUPPORT: a tun port's word for a frame that is no IPv4 */
const EAFNOSUPPORT = 97

function reasonOf(errno: number): number {
  if (errno === EAGAIN || errno === ENOBUFS || errno === ENOMEM) return reason.EGRESS_FULL
  if (errno === EPIPE || errno === ECONNRESET || errno === ECONNREFUSED || errno === ENOENT)
    return reason.EGRESS_DOWN
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
  readonly capture: Capture
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
    capture: Capture,
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
    this.capture = capture
    this.segmentBlockAt = segmentBlockAt
    this.worker = worker
    this.active = new Int32Array(ports.length)
  }

  /** Takes every frame of the burst to where its verdict says: runs to the same port together. */
  run(burst: Burst): void {
    const { verdict, ingress, count } = burst
    for (let from = 0; from < count; ) {
      const out = verdict[from]
      let to = from + 1
      if (out === FLOOD) {
        while (to < count && verdict[to] === FLOOD && ingress[to] === ingress[from]) to++
        this.flood(burst, from, to)
      } else {
        while (to < count && verdict[to] === out) to++
        if (out >= 0) this.unicast(burst, from, to, this.ports[out])
      }
      from = to
    }
    this.flush()
  }

  private unicast(burst: Burst, from: number, to: number, port: Port): void {
    if (port.queue !== null) this.enqueue(burst, from, to, port)
    else if (port.worker === this.worker || port.worker < 0) {
      // A port that went while the frame was under way has no row any more: the one it came from has.
      const row = port.row !== 0 ? port.row : this.ports[burst.ingress[from]].row
      this.counters[row + DROPS + reason.EGRESS_DOWN] += to - from
      if (port.watched !== 0) this.miss(burst, from, to, port)
    } else {
      for (let i = from; i < to; i++) this.pass(burst, i, port)
    }
  }

  /** Hands a frame to the worker that has the port's queue. */
  private pass(burst: Burst, i: number, port: Port): void {
    if (this.crossing.send(port.worker, burst.frame(i), burst.length(i), burst.ingress[i], port.index)) {
      burst.i32[burst.block + i] = -1
    } else {
      this.counters[this.ports[burst.ingress[i]].row + DROPS + reason.RING_FULL]++
      burst.verdict[i] = dropped(reason.RING_FULL)
    }
  }

  /** A run of one ingress to every member that it reaches; other workers get one copy each and flood to their own queues. */
  private flood(burst: Burst, first: number, end: number): void {
    const from = this.ports[burst.ingress[first]]
    const members = from.network.members
    // A flood that came by ring was spread over the workers by the network's own.
    const bridged = from.network.worker === this.worker
    let remote = 0
    let targets = 0
    for (let m = 0; m < members.length; m++) {
      const to = members[m]
      if (to === from || !reaches(from, to)) continue
      if (to.queue !== null) this.enqueue(burst, first, end, to)
      else if (to.worker !== this.worker && to.worker >= 0) remote |= 1 << to.worker
      else if (bridged) {
        this.counters[to.row + DROPS + reason.EGRESS_DOWN] += end - first
        if (to.watched !== 0) this.miss(burst, first, end, to)
      }
      targets++
    }
    if (targets === 0) {
      this.counters[from.row + DROPS + reason.NO_DESTINATION] += end - first
      burst.verdict.fill(dropped(reason.NO_DESTINATION), first, end)
    }
    for (let w = 0; bridged && remote !== 0; w++, remote >>>= 1) {
      if ((remote & 1) === 0) continue
      for (let i = first; i < end; i++) this.spread(burst, i, from, w)
    }
  }

  /** Tells captures of frames whose way out is down. */
  private miss(burst: Burst, from: number, to: number, port: Port): void {
    for (let i = from; i < to; i++)
      this.capture.drop(port, burst.frame(i), burst.length(i), OUTBOUND, reason.EGRESS_DOWN, 0)
  }

  /** Gives another worker its own copy of a flooded frame. */
  private spread(burst: Burst, i: number, from: Port, worker: number): void {
    const copy = this.pool.take()
    const length = burst.length(i)
    if (copy < 0) {
      this.counters[from.row + DROPS + reason.NO_FRAMES]++
      return
    }
    this.crossing.copy(burst.frame(i), copy, length)
    if (this.crossing.send(worker, copy, length, from.index, FLOOD)) return
    this.pool.give(copy)
    this.counters[from.row + DROPS + reason.RING_FULL]++
  }

  /** Appends positions `from` to `to` to the pending burst of a port whose queue is here; a burst never overfills it. */
  private enqueue(burst: Burst, from: number, to: number, port: Port): void {
    port.wanted |= ~burst.unwanted
    if (!port.active) {
      port.active = true
      this.active[this.activeCount++] = port.index
    }
    if (burst.plain && port.mtu >= port.network.mtu) this.append(burst, from, to, port)
    else {
      for (let i = from; i < to; i++)
        if (this.fits(burst, i, burst.length(i), port)) this.append(burst, i, i + 1, port)
    }
  }

  private append(burst: Burst, from: number, to: number, port: Port): void {
    const { i32 } = this
    const source = burst.block | 0
    const end = to | 0
    let target = (port.block + port.pending) | 0
    let bytes = 0
    for (let i = from | 0; i < end; i++) {
      const length = i32[source + LENGTHS + i]
      i32[target] = i32[source + i]
      i32[target + LENGTHS] = length
      bytes += length
      target++
    }
    port.pending += to - from
    port.pendingBytes += bytes
  }

  /** The rarer frames: false if the frame is too long for the port or went out in segments; completes a partial checksum. */
  private fits(burst: Burst, i: number, length: number, port: Port): boolean {
    const at = burst.at[i]
    // Whatever the tags and the segmentation, a frame this short is within the MTU.
    const isShort = length <= port.mtu + ethernet.HEADER_LENGTH
    if (isShort && burst.work[i] === 0) return true
    if (!isShort && offload.packetLength(this.view, at, length) > port.mtu) {
      this.counters[port.row + DROPS + reason.OVERSIZE]++
      if (port.watched !== 0) this.capture.drop(port, burst.frame(i), length, OUTBOUND, reason.OVERSIZE, 0)
      return false
    }
    if ((offload.needed(this.view, at) & ~port.offloads) === 0) return true
    if (vnet.gsoType(this.view, at - vnet.LENGTH) === vnet.GSO_NONE) {
      offload.complete(this.view, at, length)
      return true
    }
    this.split(port, burst.frame(i), length)
    return false
  }

  /** Sends a GSO frame as segments, behind what is pending already: a flow stays in order. */
  private split(to: Port, frame: number, length: number): void {
    this.transmit(to)
    to.wanted = -1
    this.segmenter.begin(frame, length)
    for (;;) {
      const count = this.segmenter.next()
      if (count < 0) this.counters[to.row + DROPS + reason.NO_FRAMES]++
      if (count <= 0) return
      this.send(to, this.segmentBlockAt, count, this.segmenter.bytes)
      this.segmenter.release(count)
    }
  }

  private flush(): void {
    for (let i = 0; i < this.activeCount; i++) {
      const port = this.ports[this.active[i]]
      port.active = false
      this.transmit(port)
    }
    this.activeCount = 0
  }

  private transmit(port: Port): void {
    const count = port.pending
    const bytes = port.pendingBytes
    port.pending = 0
    port.pendingBytes = 0
    if (count > 0) this.send(port, port.block << 2, count, bytes)
    port.wanted = 0
  }

  private send(port: Port, blockAt: number, count: number, bytes: number): void {
    const queue = port.queue
    if (queue === null) {
      this.counters[port.row + DROPS + reason.EGRESS_DOWN] += count
      return
    }
    if (port.watched !== 0) this.capture.leave(port, blockAt >> 2, count)
    const sent = queue.transmit(blockAt, count)
    this.counters[port.row + TX_FRAMES] += sent
    this.counters[port.row + TX_BYTES] += sent === count ? bytes : bytes - this.refused(port, blockAt, count)
  }

  /** Counts the frames that the queue did not take, each by its errno; returns their bytes. */
  private refused(port: Port, blockAt: number, count: number): number {
    const block = blockAt >> 2
    let bytes = 0
    for (let i = 0; i < count; i++) {
      const errno = this.i32[block + ERRORS + i]
      if (errno === 0) continue
      bytes += this.i32[block + LENGTHS + i]
      const why = reasonOf(errno)
      this.counters[port.row + DROPS + why]++
      if (port.watched !== 0) this.capture.refuse(port, block, i, why)
    }
    return bytes
  }
}
