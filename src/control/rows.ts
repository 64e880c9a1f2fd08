/** What listings show: rows read from the arena's counters and tables while the dataplane runs on. */
import type { Arena } from '../memory/arena.ts'
import * as counters from '../memory/counters.ts'
import { REASONS } from '../pipeline/reason.ts'
import { framesPerWorker } from './crew.ts'

export interface NetworkRow {
  name: string
  mode: string
  subnet: string | null
  gateway: string | null
  mtu: number
  isolated: boolean
  worker: number
  ports: number
  macs: number
  macCapacity: number
  /** what guests get as their domain, null where nobody answers for names */
  domain: string | null
  /** the addresses that are handed out, and who answers for names */
  dhcp: string | null
  dns: string | null
  uplink: UplinkRow | null
  host: { ifname: string; address: string | null } | null
  origin: string
}

/** The way outside. */
export interface UplinkRow {
  type: 'host' | 'nic'
  /** the host's end of the link, or the card */
  ifname: string
  /** what the switch has out there, null while it has none, and to whom it sends */
  address: string | null
  router: string | null
  /** of the interface; why it is not up, '' when it is */
  state: PortRow['state']
  reason: string
}

/** What a guest of a vhost-user port agreed on. */
export interface GuestRow {
  /** pairs of rings that run now */
  queues: number
  /** virtio's names */
  features: string[]
  /** what its driver was told, 0 if nothing */
  mtu: number
}

/** A port that is a socket. */
export interface SocketRow {
  path: string
  /** of dgram: the other end's */
  peer: string | null
  role: 'server' | 'client'
  /** null for dgram, where nobody can tell */
  connected: boolean | null
  guest: GuestRow | null
  /** how often somebody was disconnected for what he did, by reason */
  faults: Record<string, number>
  /** why somebody was disconnected last, '' if nobody was */
  fault: string
}

export interface PortRow {
  name: string
  network: string
  type: string
  ifname: string
  netns: string
  mac: string | null
  address: string | null
  mtu: number
  queues: number
  state: 'up' | 'waiting' | 'down'
  /** why it is not up, '' when it is */
  reason: string
  isolated: boolean
  guard: boolean
  offloads: string[]
  /** null for a port that is none */
  socket: SocketRow | null
  origin: string
  rxFrames: number
  rxBytes: number
  txFrames: number
  txBytes: number
  /** frames forwarded although their source could not be learned */
  unlearned: number
  drops: Record<string, number>
}

export interface MacRow {
  mac: string
  network: string
  port: string
  kind: 'dynamic' | 'static' | 'host' | 'gateway'
  ageSeconds: number
}

export interface PublishRow {
  network: string
  /** as it is written: PROTO:HOSTIP:PORT-GUESTIP:PORT */
  publish: string
  protocol: 'tcp' | 'udp'
  host: string
  hostPorts: string
  guest: string
  guestPorts: string
  state: 'up' | 'waiting'
  /** why nobody is led inside by it, '' if it is up */
  reason: string
  origin: 'file' | 'runtime' | 'run'
}

export interface WorkerRow {
  worker: number
  busySeconds: number
  bursts: number
  frames: number
  /** bursts of at most 1, 2, 4, 8, 16, 32, 64 frames */
  burstHistogram: number[]
  /** how often it slept */
  sleeps: number
  /** how long it was away from its queues before it found a burst, over all bursts */
  delaySeconds: number
  /** bursts by that delay: of at most 1, 2, 5, 10 µs and so on up to 1 s, and of more */
  delayHistogram: number[]
  /** frames of its pool in use within the last second, and how many there are */
  framesInUse: number
  frameCapacity: number
  /** packets that wait until their neighbour is known, and those of which fragments are missing */
  held: number
  fragmented: number
}

/** A port's totals, summed over the workers. */
export interface Totals {
  rxFrames: number
  rxBytes: number
  txFrames: number
  txBytes: number
  unlearned: number
  drops: Record<string, number>
}

function histogram(block: Float64Array, at: number, buckets: number): number[] {
  return [...block.subarray(at, at + buckets)]
}

export class Totaliser {
  private readonly blocks: Float64Array[]
  /** a port's row over all workers */
  private readonly sums = new Float64Array(counters.ROW)

  constructor(arena: Arena, workers: number) {
    this.blocks = Array.from({ length: workers }, (_, w) => counters.block(arena, w))
  }

  port(index: number): Totals {
    const row = counters.rowOf(index)
    const { blocks, sums } = this
    sums.fill(0)
    for (const block of blocks) for (let n = 0; n < counters.ROW; n++) sums[n] += block[row + n]
    const drops: Record<string, number> = {}
    for (let n = 0; n < REASONS.length; n++) {
      const count = sums[counters.DROPS + n]
      if (count > 0) drops[REASONS[n].name] = count
    }
    return {
      rxFrames: sums[counters.RX_FRAMES],
      rxBytes: sums[counters.RX_BYTES],
      txFrames: sums[counters.TX_FRAMES],
      txBytes: sums[counters.TX_BYTES],
      unlearned: sums[counters.UNLEARNED],
      drops,
    }
  }

  /** Sets a port's row to zero: its index goes to another port. Only while no worker serves it. */
  clear(index: number): void {
    const row = counters.rowOf(index)
    for (const block of this.blocks) block.fill(0, row, row + counters.ROW)
  }

  workers(): WorkerRow[] {
    return this.blocks.map((block, worker) => ({
      worker,
      busySeconds: block[counters.BUSY_SECONDS],
      bursts: block[counters.BURSTS],
      frames: block[counters.FRAMES],
      burstHistogram: histogram(block, counters.BURST_BUCKETS, counters.BURST_BOUNDS.length),
      sleeps: block[counters.SLEEPS],
      delaySeconds: block[counters.DELAY_SECONDS],
      delayHistogram: histogram(block, counters.DELAY_BUCKETS, counters.DELAY_BOUNDS.length + 1),
      framesInUse: block[counters.IN_USE],
      frameCapacity: framesPerWorker(this.blocks.length),
      held: block[counters.HELD],
      fragmented: block[counters.FRAGMENTED],
    }))
  }
}
