// Hot: what the control thread answers for a gateway: DHCP and DNS.
import { DHCP, DNS, NIC_UPLINK } from '../pipeline/program.ts'
import * as ipv4 from '../wire/ipv4.ts'
import * as udp from '../wire/udp.ts'
import type { Link } from './link.ts'

export const DHCP_SERVER = 67
const DHCP_CLIENT = 68
const DOMAIN = 53

/** The service that the UDP packet at `at`, of at most `room` bytes, asks for: DHCP or DNS of pipeline/program.ts if the network has it, else 0. */
export function serviceOf(view: DataView, at: number, room: number, link: Link): number {
  if (room < ipv4.HEADER_LENGTH + udp.HEADER_LENGTH || ipv4.version(view, at) !== 4) return 0
  if (ipv4.protocol(view, at) !== ipv4.PROTOCOL_UDP || ipv4.fragment(view, at) !== 0) return 0
  const transport = at + ipv4.headerLength(view, at)
  if (transport + udp.HEADER_LENGTH > at + room) return 0
  return offered(link, ipv4.destination(view, at), udp.destinationPort(view, transport))
}

/** The same for UDP to `destination` and `port`. */
export function offered(link: Link, destination: number, port: number): number {
  if (port === DHCP_SERVER && (destination === -1 || destination === link.address))
    return link.services & DHCP
  if (port === DOMAIN && destination === link.address) return link.services & DNS
  // A card's own client listens before it has an address.
  return port === DHCP_CLIENT && link.role === NIC_UPLINK ? link.services & DHCP : 0
}
