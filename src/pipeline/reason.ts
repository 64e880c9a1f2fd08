/** Why a frame was dropped. A reason's number is its place in a port's row of counters; its name is a metric's label. */

export const RUNT = 0
export const TRUNCATED = 1
export const VNET_CHECKSUM = 2
export const VNET_GSO = 3
export const VNET_HEADER = 4
export const BAD_SOURCE = 5
export const SOURCE_PROTECTED = 6
export const GUARD = 7
export const MAC_LIMIT = 8
export const RESERVED_MULTICAST = 9
export const SAME_PORT = 10
export const ISOLATED = 11
export const NO_DESTINATION = 12
export const FLOOD_LIMIT = 13
export const OVERSIZE = 14
export const EGRESS_FULL = 15
export const EGRESS_DOWN = 16
export const EGRESS_REFUSED = 17
export const RING_FULL = 18
export const NO_FRAMES = 19
export const NOT_IP = 20
export const NO_NEIGHBOUR = 21
export const BAD_IP_HEADER = 22
export const BAD_CHECKSUM = 23
export const MARTIAN = 24
export const SOURCE_ROUTE = 25
export const TTL_EXCEEDED = 26
export const NO_ROUTE = 27
export const PROHIBITED = 28
export const FRAGMENT_NEEDED = 29
export const FRAGMENT_INVALID = 30
export const FRAGMENT_TIMEOUT = 31
export const FRAGMENTS_FULL = 32
export const CONNTRACK_INVALID = 33
export const FLOWS_FULL = 34
export const NAT_EXHAUSTED = 35
export const NAT_FILTERED = 36
export const NO_SERVICE = 37
export const HELD_FULL = 38
export const ARP_INVALID = 39
export const RULE_DROPPED = 40
export const RULE_REJECTED = 41
export const FOREIGN_SENDER = 42

/** By number: the name, and what it says to an operator. */
export const REASONS: readonly { name: string; meaning: string }[] = [
  { name: 'runt', meaning: 'shorter than an Ethernet header' },
  { name: 'truncated', meaning: 'longer than a frame slot' },
  { name: 'vnet_checksum', meaning: 'the vnet header asks for a checksum outside the frame' },
  { name: 'vnet_gso', meaning: 'the vnet header names an unknown or impossible segmentation' },
  { name: 'vnet_header', meaning: 'the vnet header and the packet disagree' },
  { name: 'bad_source', meaning: 'the source MAC is a group address or zero' },
  {
    name: 'source_protected',
    meaning: 'the source MAC belongs to the gateway, the host or a static entry elsewhere',
  },
  { name: 'guard', meaning: 'the port may send only with its own MAC and IP' },
  { name: 'mac_limit', meaning: 'the port already uses as many MACs as macLimit allows' },
  { name: 'reserved_multicast', meaning: 'sent to 01:80:c2:00:00:0x, which no bridge forwards' },
  { name: 'same_port', meaning: 'the destination is behind the port it came from' },
  { name: 'isolated', meaning: 'isolated ports reach the gateway only' },
  { name: 'no_destination', meaning: 'there is no other port to send it to' },
  { name: 'flood_limit', meaning: 'more broadcast, multicast or unknown unicast than floodLimit allows' },
  { name: 'oversize', meaning: 'longer than the MTU of the network or of the egress port' },
  { name: 'egress_full', meaning: 'the egress port took no more' },
  { name: 'egress_down', meaning: 'the egress port is down or has no peer' },
  { name: 'egress_refused', meaning: 'the kernel refused the frame' },
  { name: 'ring_full', meaning: 'the ring to the other worker was full' },
  { name: 'no_frames', meaning: 'the frame pool was empty' },
  { name: 'not_ip', meaning: 'a tun port, the gateway and a card with macTranslation take IPv4 only' },
  { name: 'no_neighbour', meaning: 'nobody answered for the destination address' },
  { name: 'bad_ip_header', meaning: 'the IPv4 header lies about its version or lengths' },
  { name: 'bad_checksum', meaning: 'the checksum of the IPv4, ICMP, TCP or UDP header is wrong' },
  { name: 'martian', meaning: 'a source or destination address that cannot be there' },
  { name: 'source_route', meaning: 'the packet asks for a source route' },
  { name: 'ttl_exceeded', meaning: 'the time to live ran out at the gateway' },
  { name: 'no_route', meaning: 'the gateway knows no way to the destination' },
  { name: 'prohibited', meaning: 'the gateway may not forward between these networks' },
  { name: 'fragment_needed', meaning: 'too long for the way on and not to be fragmented' },
  { name: 'fragment_invalid', meaning: 'a fragment overlaps another or cannot be part of a packet' },
  { name: 'fragment_timeout', meaning: 'the rest of a fragmented packet did not come in time' },
  { name: 'fragments_full', meaning: 'as many fragments wait as may' },
  { name: 'conntrack_invalid', meaning: 'the packet fits no state of its connection' },
  { name: 'flows_full', meaning: 'the flow table is full of connections that are alive' },
  { name: 'nat_exhausted', meaning: 'no port is left to translate to' },
  { name: 'nat_filtered', meaning: 'nobody inside asked for a packet from there' },
  { name: 'no_service', meaning: 'the gateway has no such service' },
  { name: 'held_full', meaning: 'as many packets wait for an address resolution as may' },
  { name: 'arp_invalid', meaning: 'an ARP packet that is malformed or claims what it cannot' },
  { name: 'rule_dropped', meaning: 'a rule or the policy of a chain dropped it' },
  { name: 'rule_rejected', meaning: 'a rule rejected it; its sender was told' },
  { name: 'foreign_sender', meaning: "a datagram that another socket than the dgram port's peer sent" },
]
