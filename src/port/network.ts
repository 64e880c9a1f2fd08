/** A network as a worker sees it: its members and, in the worker that owns it, its forwarding table. */
import type { Link } from '../gateway/link.ts'
import type { MacTable } from '../table/mac.ts'
import type { Port } from './port.ts'

export class Network {
  readonly index: number
  /** the worker that bridges this network, the only writer of its table */
  worker: number
  /** largest network-layer packet, in bytes */
  mtu: number
  macs: MacTable
  /** who gets a flooded frame */
  members: Port[] = []
  /** the gateway's interface, null where the network has none */
  link: Link | null = null
  /** one of the members is isolated */
  isolation = false

  constructor(index: number, worker: number, mtu: number, macs: MacTable) {
    this.index = index
    this.worker = worker
    this.mtu = mtu
    this.macs = macs
  }
}
