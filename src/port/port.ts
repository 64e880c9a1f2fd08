// Hot: the worker's view of a port. Fields are integers; the pending burst lies in the arena.
import type { Network } from './network.ts'
import type { Queue } from './queue.ts'

/** What an egress can take as it is; bits of Port.offloads. */
export const OFFLOAD_CSUM = 1
export const OFFLOAD_TSO4 = 2
export const OFFLOAD_TSO6 = 4
export const OFFLOAD_ECN = 8
export const OFFLOAD_USO = 16
export const OFFLOAD_ALL = 31

export class Port {
  readonly index: number
  /** counts the ports that had this index: a port that was removed and added again is another one */
  readonly incarnation: number
  network: Network
  /** position of its row of counters in the worker's block */
  readonly row: number
  /** largest network-layer packet it takes, in bytes */
  mtu = 0
  offloads = 0
  isolated = false
  /** it holds the gateway's address: isolated ports reach it */
  gateway = false
  /** its other end is the control thread: it stands for the gateway and is no target of floods */
  local = false
  guard = false
  guardHigh = 0
  guardLow = 0
  guardAddresses = new Int32Array(0)
  /** 0: no limit */
  macLimit = 0
  /** flooded frames a second, 0: no limit */
  floodLimit = 0
  /** what is left of the flood allowance, in thousandths of a frame, and when it was last filled */
  floodTokens = 0
  floodFilled = 0
  /** this worker's queue of it, or null: then `worker` has one, or nobody (-1 for a port that is gone) */
  queue: Queue | null = null
  worker = 0
  /** the burst that waits for transmit: a block in the arena (int32 position), its count and bytes */
  readonly block: number
  pending = 0
  pendingBytes = 0
  /** it is on the list of ports to flush */
  active = false
  /** captures that see its frames, a bit each; those that may want some of the burst that waits for transmit */
  watched = 0
  wanted = 0

  constructor(index: number, incarnation: number, network: Network, row: number, blockAt: number) {
    this.index = index
    this.incarnation = incarnation
    this.network = network
    this.row = row
    this.block = blockAt >> 2
  }
}
