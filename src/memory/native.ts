/**
 * The one typed door to the addon (build/Release/bridgeport.node). Only `memory` and `port` may open it.
 *
 * Cold calls throw an Error with `code`, `syscall` and the `path` or `interface` it was about. Hot calls take small
 * integers (descriptors and byte offsets into the arena bound to the calling thread), return a count or a negative
 * errno, and neither allocate nor throw.
 */
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { home } from './package.ts'

/** An error of a cold call: what the kernel said, during which call, about what. */
export interface NativeError extends Error {
  code: string
  syscall: string
  path?: string
  interface?: string
}

/** A TUN/TAP device to create. `netns` is a namespace file, '' the daemon's own namespace. */
export interface DeviceOptions {
  kind: 'tap' | 'tun'
  ifname: string
  netns: string
  queues: number
  offload: boolean
  persist: boolean
  /** uid that may open a persistent device, -1 for root only */
  owner: number
  alias: string
}

/** What was created: one descriptor per queue, the granted TUN_F_ mask. A persistent device's descriptors are closed again and `fds` is empty. */
export interface Device {
  fds: number[]
  ifindex: number
  offloads: number
}

/** Link attributes to set over rtnetlink; absent ones stay as they are. */
export interface LinkOptions {
  netns: string
  ifname: string
  mac?: string
  mtu?: number
  up?: boolean
  arp?: boolean
  alias?: string
  /** CIDR text, IPv4 */
  address?: string
  /** default route over this gateway, IPv4 text */
  gateway?: string
  ipv6?: boolean
}

/** A link as the kernel reports it. */
export interface Link {
  ifindex: number
  ifname: string
  mac: string
  mtu: number
  up: boolean
  carrier: boolean
  alias: string
  /** IFLA_INFO_KIND: 'tun', 'veth', 'bridge', '' … */
  kind: string
}

export interface PacketOptions {
  netns: string
  ifname: string
  vnetHeader: boolean
  promiscuous: boolean
  /** a MAC: frames to it are the host's own and not received */
  excluded?: string
  /** receives by a memory-mapped ring: `ringMap` it, and read it as kind RING */
  ring?: boolean
}

/** A region of a guest's memory: the front-end's view of it, and where it was mapped here. */
export interface GuestRegion {
  mapping: number
  /** guest physical address, and the front-end's own */
  guest: bigint
  user: bigint
  length: bigint
  /** bytes of the mapping before the region */
  offset: bigint
}

export interface Cold {
  deviceOpen(options: DeviceOptions): Device
  /** Removes an interface; absent is not an error. Returns whether it was there. */
  linkDelete(netns: string, ifname: string): boolean
  /** Removes links by their indexes, all at once; those that are gone already are no error. */
  linkSweep(netns: string, ifindexes: number[]): void
  linkSet(options: LinkOptions): void
  /** One link, or null if there is none of that name. */
  linkGet(netns: string, ifname: string): Link | null
  linkList(netns: string): Link[]
  /** IPv4 addresses of all interfaces, those that are down included. */
  addressList(netns: string): { ifname: string; address: string }[]
  /** Drops everything that enters the host's stack through an interface, after packet sockets have seen it. */
  linkDropIngress(netns: string, ifname: string): void
  /** A packet socket on an Ethernet interface; EPFNOSUPPORT for another kind, such as lo. */
  packetOpen(options: PacketOptions): number
  /** Maps the ring of a packet socket into this thread; returns the number that `receive` takes in place of the descriptor. */
  ringMap(fd: number): number
  ringUnmap(ring: number): void
  /**
   * Takes a connected unix socket as a stream of frames into this thread; `poll` is an epoll of its own that has the socket. Returns
   * the number that `receive` and `transmit` take as kind STREAM: ECONNRESET says that the peer is gone, EPROTO that it said an impossible length.
   */
  streamOpen(fd: number, poll: number): number
  streamClose(stream: number): void
  /**
   * Compiles an expression of libpcap's language for Ethernet with the first of the shared `libraries` that can be loaded, on a thread of the
   * pool. Resolves to classic BPF as pipeline/filter.ts takes it; rejects with code EINVAL and what libpcap says, or ELIBACC without a library.
   */
  filterCompile(expression: string, libraries: readonly string[]): Promise<Int32Array>
  /** Takes a bound unix socket into this thread as kind DGRAM, a frame a datagram to and from `peer`; frames of others are received with length -2. */
  dgramOpen(fd: number, peer: string): number
  dgramClose(dgram: number): void
  /** True if `netns` can be opened and is a network namespace; false if it is gone; throws on EPERM. */
  namespaceExists(netns: string): boolean
  /** Moves the calling thread into a new network and mount namespace (mounts made private), loopback up. */
  namespaceUnshare(): void
  /** Moves the calling thread into an existing network namespace. */
  namespaceEnter(netns: string): void
  mountBind(source: string, target: string): void
  /** Sends one sd_notify(3) datagram; returns false when `path` is empty. */
  systemdNotify(path: string, text: string): boolean
  /** Forks the reaper; see native/reaper.cc. */
  reaperStart(): void
  reaperWatch(kind: 'interface' | 'path' | 'process', name: string, alias: string): void
  /** Text that goes back into a file of /proc/sys. */
  reaperWatch(kind: 'value', name: string, text: string): void
  /** A datagram of at most 255 bytes for the kernel's netlink family; `name` tells it from others. */
  reaperWatch(kind: 'request', name: string, datagram: Uint8Array, family: number): void
  reaperForget(kind: 'interface' | 'path' | 'process' | 'value' | 'request', name: string): void
  /** Sends netlink messages as one datagram and returns what answers; one of them asks for NLM_F_ACK or NLM_F_DUMP. `subject` is for the error. */
  netlinkRequest(netns: string, family: number, request: Uint8Array, subject: string): Buffer
  /** Rules of a loaded table of ip_tables (iptables-legacy) as the kernel lays them out, and where its FORWARD chain begins. */
  iptablesEntries(netns: string, table: string): { entries: Buffer; forwardAt: number }
  /** A bound UDP socket or a listening TCP socket of a namespace, `address` '' being any; not blocking. */
  socketOpen(options: { netns: string; protocol: 'tcp' | 'udp'; address: string; port: number }): number
  /** A new network namespace without a name, loopback up; it lives as long as the descriptor or what was put into it. */
  namespaceCreate(): number
  /**
   * Takes a listening TCP or a bound UDP socket over: connections and datagrams go on to `address`:`port`, moved by a native
   * thread. Beyond `capacity` of all of that protocol together, connections are reset and the session that was silent longest
   * ends; so does a UDP session without a datagram for `idleMs`. Returns a number for relayClose, which closes the socket and
   * cuts its connections. Who comes from the subnet `network`/`mask` (int32) or from `address` itself is refused, unless
   * there is no mask.
   */
  relayOpen(options: {
    fd: number
    protocol: 'tcp' | 'udp'
    address: string
    port: number
    capacity: number
    idleMs: number
    network?: number
    mask?: number
  }): number
  relayClose(relay: number): void
  relayCounts(): { open: number; sessions: number; accepted: number; refused: number; bytes: number }
  /**
   * Maps `length` bytes of a guest's memory from `offset` of a descriptor, which may be closed afterwards; returns a mapping's number.
   * ERANGE: the file ends before. Pages that vanish later read as zeros, and the mapping is faulted.
   */
  guestMap(fd: number, offset: bigint, length: bigint): number
  guestUnmap(mapping: number): void
  /** Makes an immutable table of a guest's memory; EINVAL: regions overlap or are empty. Free it before its mappings. Returns its number. */
  guestTable(regions: GuestRegion[]): number
  guestFree(table: number): void
  /** True if pages of the table's mappings have vanished. */
  guestFaulted(table: number): boolean
  /**
   * `length` bytes at the front-end's own address `user`, which lie in one region; else ERANGE. A part of a buffer that other views
   * share. Valid until the mapping goes: nothing may touch it then.
   */
  guestView(table: number, user: bigint, length: number): Uint8Array<ArrayBuffer>
  /** Listens at a unix socket, `kind` stream or dgram (bound only then). A dead socket's file is replaced, a live one's is EADDRINUSE. Not blocking. */
  unixListen(options: { path: string; kind: 'stream' | 'dgram'; mode: number; owner: number }): number
  /** Connects to a listening unix socket; ECONNREFUSED, ENOENT: nobody is there. Not blocking afterwards. */
  unixConnect(path: string): number
  /** The next connection of a listening socket, -1 if there is none. Not blocking. */
  unixAccept(fd: number): number
  /** Bytes and descriptors that wait at a unix socket: null if there are none now, length 0 if the peer is gone. At most `length` bytes. */
  unixReceive(fd: number, length: number): { bytes: Buffer; fds: number[] } | null
  /** Sends bytes with descriptors; false if the peer takes no more now. Throws EPIPE, ECONNRESET if it is gone. */
  unixSend(fd: number, bytes: Uint8Array, fds: number[]): boolean
  /** Calls `ready` on this thread's event loop whenever the descriptor is readable or its peer is gone; returns a watch's number. Keeps the loop alive. */
  watchOpen(fd: number, ready: () => void): number
  watchClose(watch: number): void
  /** A memfd of `length` bytes, zeroed, that may be shrunk; for a front-end that wants one. */
  memoryCreate(name: string, length: number): number
  descriptorClose(fd: number): void
  /** The same for many, several at a time. */
  descriptorsClose(fds: number[]): void
  /** True if a write would be taken now; a TUN or TAP takes none while its interface is down or gone. */
  descriptorTakes(fd: number): boolean
  userId(name: string): number
}

export interface Hot {
  /** Creates a memfd of `length` bytes, sealed against shrinking and growing. */
  arenaCreate(name: string, length: number): number
  arenaMap(fd: number, length: number): ArrayBuffer
  /** Gives the pages of a range back to the kernel; they read as zero afterwards. */
  arenaPunch(fd: number, at: number, length: number): void
  /** Makes a mapping the one that hot calls of this thread address, with the pool's geometry in bytes. */
  arenaBind(arena: Uint8Array, poolAt: number, stride: number, dataAt: number): void
  doorbellCreate(): number
  doorbellRing(fd: number): number
  doorbellClear(fd: number): number
  /** Rings a doorbell that another party may have changed: never waits, whatever was done to it. Returns 0 or -errno. */
  bellRing(fd: number): number
  pollCreate(): number
  /** `edge`: tells of every write once, and nobody has to read. */
  pollAdd(poll: number, fd: number, id: number, edge?: boolean): void
  pollRemove(poll: number, fd: number): void
  /**
   * Waits at most `timeoutMs`; writes (id, events) pairs of int32 at `eventsAt`, and at `clockAt` int32 monotonic milliseconds
   * (they wrap), four bytes unused and a float64: the seconds between the last return and this call. Returns the count or -errno.
   */
  pollWait(poll: number, eventsAt: number, capacity: number, timeoutMs: number, clockAt: number): number
  /** Reads at most `capacity` frames into the slots below `freeTopAt`; see native/burst.cc. Returns the count or -errno. */
  receive(
    kind: number,
    fd: number,
    freeTopAt: number,
    blockAt: number,
    capacity: number,
    bytesMax: number,
  ): number
  /** Writes `count` frames of a burst block; returns how many were taken, the block's third column holds each errno. */
  transmit(kind: number, fd: number, blockAt: number, count: number): number
  /**
   * What a guest transmits, into the frames of a burst block: the task at byte `at` and the segments behind it (vhost/layout.ts) say how.
   * -EFAULT: an address that the guest does not have; -ENXIO: its memory is gone.
   */
  vringReceive(at: number): number
  /** The same from the frames of a block into what the guest receives with. */
  vringTransmit(at: number): number
  /** Copies `length` bytes at the guest's address `low`, `high` to byte `at` of the arena. Answers as vringReceive. */
  vringFetch(table: number, low: number, high: number, length: number, at: number): number
  /** Writes records of a burst's frames into a capture's ring, as the task at byte `at` says; see native/record.cc. Returns how many. */
  recordFrames(at: number): number
  /** Ones' complement sum (RFC 1071) of arena bytes and a 16-bit initial value, folded, not complemented. */
  checksum(at: number, length: number, initial: number): number
}

export type Native = Cold & Hot

function load(): Native {
  return createRequire(import.meta.url)(
    join(home(import.meta.url), 'build/Release/bridgeport.node'),
  ) as Native
}

/** A copy: V8 keeps an object to which an addon added its functions one by one as a dictionary, and looks each up at every call (10 ns). */
export const native: Native = { ...load() }
