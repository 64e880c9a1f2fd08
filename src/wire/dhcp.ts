/**
 * DHCP messages, RFC 2131 section 2 and RFC 2132. Cold code only: the fixed part, by offset.
 *
 *    |    op (1)     |   htype (1)   |   hlen (1)    |   hops (1)    |
 *    |                            xid (4)                            |
 *    |           secs (2)            |           flags (2)           |
 *    |            ciaddr (4), yiaddr (4), siaddr (4), giaddr (4)     |
 *    |                 chaddr (16), sname (64), file (128)           |
 *    |     magic cookie (4)          |  options: code, length, value |
 */
export const SERVER_PORT = 67
export const CLIENT_PORT = 68

export const REQUEST_OP = 1
export const REPLY_OP = 2
/** offsets */
export const XID_AT = 4
export const SECS_AT = 8
export const FLAGS_AT = 10
export const CIADDR_AT = 12
export const YIADDR_AT = 16
export const GIADDR_AT = 24
export const CHADDR_AT = 28
export const SNAME_AT = 44
export const FILE_AT = 108
export const COOKIE_AT = 236
export const OPTIONS_AT = 240
export const COOKIE = 0x63825363
/** the flag of a client that takes no unicast before it has an address */
export const BROADCAST_FLAG = 0x8000
/** Ethernet: htype and hlen in one */
export const ETHERNET = 0x0106
/** RFC 951's size, below which some clients and relays drop a message */
export const LENGTH_MIN = 300
/** RFC 2131 2: what every client takes, an IP packet of 576 bytes */
export const PACKET_MIN = 576

/** message types, RFC 2132 9.6 */
export const DISCOVER = 1
export const OFFER = 2
export const REQUEST = 3
export const DECLINE = 4
export const ACK = 5
export const NAK = 6
export const RELEASE = 7
export const INFORM = 8

/** option codes of RFC 2132, 3046 (82), 3397 (119) and 3442 (121) */
export const PAD = 0
export const NETMASK = 1
export const ROUTER = 3
export const RESOLVERS = 6
export const HOSTNAME = 12
export const DOMAIN = 15
export const MTU = 26
export const BROADCAST_ADDRESS = 28
export const ADDRESS = 50
export const LEASE_TIME = 51
export const OVERLOAD = 52
export const TYPE = 53
export const SERVER = 54
export const WANTED = 55
export const TEXT = 56
export const LENGTH_MAX = 57
export const RENEWAL_TIME = 58
export const REBINDING_TIME = 59
export const CLIENT = 61
export const NAME = 81
export const RELAY = 82
export const SEARCH = 119
export const ROUTES = 121
export const END = 255
