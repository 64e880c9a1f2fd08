/**
 * Features of a network device (virtio 1.2, 5.1.3 and 6) and of the vhost-user protocol: which we offer, and what follows from those
 * that both sides agreed on. "Guest" features are what the guest can receive, "host" features what it may send.
 */
import { OFFLOAD_CSUM, OFFLOAD_ECN, OFFLOAD_TSO4, OFFLOAD_TSO6, OFFLOAD_USO } from '../port/port.ts'

export const CSUM = 1n << 0n
export const GUEST_CSUM = 1n << 1n
export const MTU = 1n << 3n
export const GUEST_TSO4 = 1n << 7n
export const GUEST_TSO6 = 1n << 8n
export const GUEST_ECN = 1n << 9n
export const HOST_TSO4 = 1n << 11n
export const HOST_TSO6 = 1n << 12n
export const HOST_ECN = 1n << 13n
export const MRG_RXBUF = 1n << 15n
export const STATUS = 1n << 16n
export const CTRL_VQ = 1n << 17n
export const CTRL_RX = 1n << 18n
export const GUEST_ANNOUNCE = 1n << 21n
export const MQ = 1n << 22n
export const ANY_LAYOUT = 1n << 27n
export const INDIRECT_DESC = 1n << 28n
export const EVENT_IDX = 1n << 29n
/** of the protocol, not of virtio, which leaves bit 30 unused: features of the protocol are agreed on */
export const PROTOCOL_FEATURES = 1n << 30n
export const VERSION_1 = 1n << 32n
export const IN_ORDER = 1n << 35n
export const GUEST_USO4 = 1n << 54n
export const GUEST_USO6 = 1n << 55n
export const HOST_USO = 1n << 56n

/**
 * Rings and notifications as they should be; not RING_PACKED. What the front-end does itself, but only lets a guest have if the back-end
 * offers it, too: QEMU masks its own features with MTU, MQ and GUEST_ANNOUNCE of ours, Cloud Hypervisor and DPDK also with those of the
 * control queue, which never reaches us. LOG_ALL, the dirty log of migration, is not offered: QEMU then says itself that it cannot.
 */
const BASIC =
  VERSION_1 |
  ANY_LAYOUT |
  INDIRECT_DESC |
  EVENT_IDX |
  IN_ORDER |
  MRG_RXBUF |
  MTU |
  STATUS |
  CTRL_VQ |
  CTRL_RX |
  GUEST_ANNOUNCE |
  PROTOCOL_FEATURES

/** Partial checksums and segments of every kind but UFO, which the kernel gave up, too. */
const OFFLOADS =
  CSUM |
  GUEST_CSUM |
  GUEST_TSO4 |
  GUEST_TSO6 |
  GUEST_ECN |
  GUEST_USO4 |
  GUEST_USO6 |
  HOST_TSO4 |
  HOST_TSO6 |
  HOST_ECN |
  HOST_USO

/** What a port of `queues` pairs offers; without `offload` no checksum is left to others and no segment to be cut. */
export function offered(queues: number, offload: boolean): bigint {
  return BASIC | (queues > 1 ? MQ : 0n) | (offload ? OFFLOADS : 0n)
}

export const PROTOCOL_MQ = 1n << 0n
export const PROTOCOL_REPLY_ACK = 1n << 3n
export const PROTOCOL_NET_MTU = 1n << 4n
export const PROTOCOL_BACKEND_REQ = 1n << 5n
export const PROTOCOL_INFLIGHT_SHMFD = 1n << 12n
export const PROTOCOL_RESET_DEVICE = 1n << 13n
export const PROTOCOL_CONFIGURE_MEM_SLOTS = 1n << 15n
export const PROTOCOL_STATUS = 1n << 16n

/**
 * Not LOG_SHMFD, PAGEFAULT and RARP, which migration asks for; not CONFIG: QEMU and libvirt know the device's configuration, and QEMU
 * warns of a network back-end that offers it.
 */
export const PROTOCOL =
  PROTOCOL_MQ |
  PROTOCOL_REPLY_ACK |
  PROTOCOL_NET_MTU |
  PROTOCOL_BACKEND_REQ |
  PROTOCOL_INFLIGHT_SHMFD |
  PROTOCOL_RESET_DEVICE |
  PROTOCOL_CONFIGURE_MEM_SLOTS |
  PROTOCOL_STATUS

const NAMES: readonly [string, bigint][] = Object.entries({
  CSUM,
  GUEST_CSUM,
  MTU,
  GUEST_TSO4,
  GUEST_TSO6,
  GUEST_ECN,
  HOST_TSO4,
  HOST_TSO6,
  HOST_ECN,
  MRG_RXBUF,
  STATUS,
  CTRL_VQ,
  CTRL_RX,
  GUEST_ANNOUNCE,
  MQ,
  ANY_LAYOUT,
  INDIRECT_DESC,
  EVENT_IDX,
  PROTOCOL_FEATURES,
  VERSION_1,
  IN_ORDER,
  GUEST_USO4,
  GUEST_USO6,
  HOST_USO,
})

/** Features by name, in small letters, those without one as bits. */
export function names(features: bigint): string[] {
  const found = NAMES.filter(([, bit]) => (features & bit) !== 0n)
  const rest = found.reduce((left, [, bit]) => left & ~bit, features)
  return [...found.map(([name]) => name.toLowerCase()), ...(rest === 0n ? [] : [`0x${rest.toString(16)}`])]
}

function has(features: bigint, wanted: bigint): boolean {
  return (features & wanted) === wanted
}

/** What may be sent to the guest as it is: OFFLOAD_ bits. Segments need checksums, and USO is one bit here, so both versions of IP (5.1.3.1). */
export function offloads(features: bigint): number {
  if (!has(features, GUEST_CSUM)) return 0
  const tso4 = has(features, GUEST_TSO4) ? OFFLOAD_TSO4 : 0
  const tso6 = has(features, GUEST_TSO6) ? OFFLOAD_TSO6 : 0
  const ecn = has(features, GUEST_ECN) && (tso4 | tso6) !== 0 ? OFFLOAD_ECN : 0
  const uso = has(features, GUEST_USO4 | GUEST_USO6) ? OFFLOAD_USO : 0
  return OFFLOAD_CSUM | tso4 | tso6 | ecn | uso
}

/** Bytes of the header before each frame: it ends with num_buffers unless the device is an old one without merging (5.1.6.1). */
export function headerLength(features: bigint): number {
  return (features & (VERSION_1 | MRG_RXBUF)) !== 0n ? 12 : 10
}
