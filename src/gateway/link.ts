/** The gateway's interface on a network, as the worker that runs the gateway sees it. Addresses are int32. */
import type { Network } from '../port/network.ts'
import type { Port } from '../port/port.ts'

export class Link {
  readonly network: Network
  /** GUESTS, HOST_UPLINK, NIC_UPLINK or SERVICES of pipeline/program.ts */
  role = 0
  /** the port that stands for the gateway in the network */
  port: Port
  high = 0
  low = 0
  /** 0: none yet */
  address = 0
  /** of the subnet: address & mask is the network, 0 where there is no address */
  mask = 0
  /** largest network-layer packet, in bytes */
  mtu = 0
  /** the way outside, null if there is none */
  uplink: Link | null = null
  /** on an uplink: the router's address, 0 if there is none */
  router = 0
  /** the conntrack zone, 0 to 255: networks whose subnets overlap have different ones, each shared with its uplink */
  zone = 0
  routed = false
  isolated = false
  /** what leaves by the uplink is translated, with RFC 4787's behaviours and ports `first` to `last` */
  translated = false
  mapping = 0
  filtering = 0
  first = 0
  last = 0
  hairpin = false
  /** destinations outside that are refused */
  refused = new Int32Array(0)
  /** bits of pipeline/program.ts: DHCP, DNS */
  services = 0
  /** frames bridged inside the network pass the chains too */
  filterBridged = false
  /** only services are taken, nothing is routed */
  intercept = false

  constructor(network: Network, port: Port) {
    this.network = network
    this.port = port
  }

  /** True if `address` lies in the link's subnet. */
  holds(address: number): boolean {
    return this.address !== 0 && ((address ^ this.address) & this.mask) === 0
  }
}
