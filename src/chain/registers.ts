// Hot: the registers, all that a rule may look at and all that it may say, as int32 in one array.
/**
 * Whoever runs a chain fills the upper part for the packet and hook at hand, calls the chain's function, and reads the lower part. Addresses
 * and ports are those that the packet has at that hook: after the nat table of PREROUTING the destination is the translated one, while the
 * source stays what it was until the packet has passed POSTROUTING; the bytes of the packet are rewritten at the very end.
 */

/** addresses, int32, at this hook */
export const SOURCE = 0
export const DESTINATION = 1
/** source << 16 | destination of TCP, UDP, UDP-Lite, SCTP, DCCP; type << 8 | code of ICMP; 0 for all else or where the header is cut off */
export const PORTS = 2
export const PROTOCOL = 3
/** number of the name (see Names in plan.ts) of the network and of the port that it came by and leaves by; 0: none, or no rule names it */
export const IN_NETWORK = 4
export const IN_PORT = 5
export const OUT_NETWORK = 6
export const OUT_PORT = 7
/** of the IPv4 packet, bytes, its header included; a segmented one counts as the one packet that it is */
export const LENGTH = 8
/**
 * Offsets in the arena: Ethernet header, IPv4 header, what follows it, first byte behind the packet. Packets are never fragments here. TCPMSS
 * may lengthen a packet by 4 bytes: END and LENGTH say so then.
 */
export const AT = 9
export const NETWORK = 10
export const TRANSPORT = 11
export const END = 12
/** a bit of STATE_… below */
export const STATE = 13
/**
 * The flow's number and the packet's direction: 0 original, 1 reply. Flow 0 stands for a first packet's tentative flow: its words hold the
 * tuples, the mark and the counters that the flow will have. There is one unless the state is INVALID or UNTRACKED.
 */
export const FLOW = 14
export const DIRECTION = 15
/** the packet's own mark (nfmark), 0 at first */
export const MARK = 16
/** milliseconds of the worker's clock, wrapping */
export const NOW = 17
/** PREROUTING to POSTROUTING of rule.ts, and RAW to FILTER */
export const HOOK = 18
export const TABLE = 19
/** 1 in the straight loop: packets of confirmed flows, TCP's only with ACK and without SYN, FIN, RST; nothing may be changed or remembered there */
export const FAST = 20
/**
 * 1 if the frame is bridged within a network that says filterBridged; 2 if it came by such a network and is routed (physdev knows what it
 * came by then, as with bridge-nf-call-iptables); else 0
 */
export const BRIDGED = 21
/** PACKET_HOST 0, PACKET_BROADCAST 1, PACKET_MULTICAST 2, PACKET_OTHERHOST 3 of <linux/if_packet.h> */
export const TYPE = 22
/** what is taken from the TTL byte to have the hop's own (1 in the straight loop behind the routing decision, else 0) */
export const AGED = 23

/** How many rules matched so far: the log holds them in order. */
export const MET = 24
/** 1 if a match was asked that another packet of the same flow and direction may answer otherwise */
export const VOLATILE = 25
/** REJECT: type << 8 | code of the ICMP error, RESET for a TCP reset */
export const REJECT = 26
/** NAT: NAT_… bits, and with them which addresses (MIN to MAX, unsigned order) and ports (FIRST to LAST) may be taken */
export const NAT_MIN = 27
export const NAT_MAX = 28
export const NAT_FIRST = 29
export const NAT_LAST = 30
export const NAT_FLAGS = 31
/** CT of the raw table: 1 if the packet is not tracked, and the zone's number, 0 at first */
export const NOTRACK = 32
export const ZONE = 33
/** 1 if TRACE was met: from now on every rule that matches is told of */
export const TRACED = 34
/** the rule whose target or match is at work, for what it says */
export const RULE = 35
/** 1 if the verdict is that of a rule, 0 if a chain's policy gave it */
export const EXPLICIT = 36
/** 1 once a rule of the raw table decided on NOTRACK or ZONE: the first one does, 0 at first */
export const SPOKEN = 37
/** the smaller of the MTUs of the ways to the destination and back to the source, at and behind the routing decision; 0: not known */
export const MTU = 38
/** with NAT_SHIFT: the port that NAT_FIRST stands for; others keep their distance to it */
export const NAT_BASE = 39
/** for what is told of the packet: 1 + index of the port that it came by and leaves by, the gateway's own where no other is known; 0: none */
export const IN_INDEX = 40
export const OUT_INDEX = 41
/** 1 if a match says that the packet is to be dropped at once: the kernel's hotdrop, where a table is full or a header is cut off */
export const HOTDROP = 42
export const COUNT = 48

/** Bits of STATE, as a match asks for them. */
export const STATE_INVALID = 1
export const STATE_ESTABLISHED = 2
export const STATE_RELATED = 4
export const STATE_NEW = 8
export const STATE_UNTRACKED = 64

/** What a chain's function returns. CONTINUE also stands for RETURN: the calling chain goes on; a base chain never returns it. */
export const CONTINUE = 0
export const ACCEPT = 1
export const DROP = 2
/** with REJECT filled */
export const REJECTED = 3
/** with NAT_… filled: the packet's flow is to be translated, no further rule of this hook is asked */
export const TRANSLATE = 4
/** in the straight loop only: this packet needs the slow path; nothing was changed, remembered or counted */
export const SLOW = 5

/** REJECT --reject-with tcp-reset */
export const RESET = -1

/** Bits of NAT_FLAGS. */
export const NAT_SOURCE = 1
export const NAT_DESTINATION = 2
/** MASQUERADE and REDIRECT: the address is that of the link that the packet leaves by, or came by */
export const NAT_LINK = 4
/** NETMAP: the prefix is replaced, NAT_MIN is the new one and NAT_MAX its mask */
export const NAT_MAP = 8
export const NAT_RANDOM = 16
export const NAT_PERSISTENT = 32
/** DNAT --to-destination ADDRESS:FIRST-LAST/BASE */
export const NAT_SHIFT = 64
/** MIN and MAX are said: without it the address stays */
export const NAT_ADDRESS = 128
/** FIRST and LAST are said: without it the port is kept if it is free, else one of its class is taken */
export const NAT_PORT = 256

/** Rules that one run through a chain may log before they are counted; the function that compiled code calls when it is full. */
export const LOG_LENGTH = 4096
