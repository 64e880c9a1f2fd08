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
  { name: 'not_ip', meaning: 'a tun port carries IPv4 only' },
  { name: 'no_neighbour', meaning: 'nobody answered for the destination address' },
]
