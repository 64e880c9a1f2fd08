/** What a worker needs to serve a front-end (a QEMU guest, a DPDK process): its memory, what was negotiated, its rings. Plain values that can be posted. */

/** A virtqueue whose ring was started. */
export interface RingProgram {
  /** counts the starts of rings: another start is another ring */
  generation: number
  /** entries, a power of two up to 32,768 */
  size: number
  /** the three areas (virtio 1.2, 2.7), as the front-end's own addresses */
  descriptors: bigint
  avail: bigint
  used: bigint
  /** the next entry of avail to look at when the ring starts, modulo 65,536 */
  base: number
  /** eventfd of the guest's notifications, -1 where the ring is to be polled */
  kick: number
  /** eventfd of notifications to the guest, -1 for none */
  call: number
  /** false: what the guest sends is discarded, and nothing is given to it */
  enabled: boolean
}

/** A pair of rings, named from the guest's side: it receives from one and transmits on the other. */
export interface PairProgram {
  receive: RingProgram | null
  transmit: RingProgram | null
}

export interface FrontProgram {
  /** the table of the guest's memory in native */
  table: number
  /** bytes of the header before a frame: 12, or 10 with neither VERSION_1 nor MRG_RXBUF (virtio 1.2, 5.1.6.1) */
  headerLength: number
  /** MRG_RXBUF: a frame may take several buffers */
  mergeable: boolean
  /** EVENT_IDX: notifications are asked for by index */
  eventIndex: boolean
  /** by number of the pair */
  pairs: PairProgram[]
}

/** int32 in a pair's line of the arena: the next avail entries of its rings, modulo 65,536. Writer: the worker, while it serves the pair. */
export const NEXT_RECEIVE = 0
export const NEXT_TRANSMIT = 1
/** int32 of a line */
export const LINE = 16
