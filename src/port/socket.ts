/** Sockets of the daemon in any namespace, relays of TCP connections, and a namespace of the daemon's own. */
import { native } from '../memory/native.ts'

/** `netns` is a namespace file, '' the daemon's own namespace; `address` is a dotted quad, '' every address. */
export interface Place {
  netns: string
  protocol: 'tcp' | 'udp'
  address: string
  port: number
}

/** A bound UDP socket or a listening TCP socket, as a descriptor that the caller owns. Throws a NativeError of bind(2), socket(2) or setns(2). */
export function open(place: Place): number {
  return native.socketOpen(place)
}

/** What the relays of this process did, since its start; `open` connections and `sessions` of UDP are those of now. */
export interface Counts {
  open: number
  sessions: number
  accepted: number
  refused: number
  bytes: number
}

/** Limits of the relays of a protocol, all together; UDP sessions end when nothing was said for `idleMs`. */
export interface Limits {
  capacity: number
  idleMs: number
}

/** A subnet as int32; those in it, and the address that a relay leads to, are refused. Mask 0: nobody is. */
export interface Closed {
  network: number
  mask: number
}

/** TCP connections and datagrams that come in at a socket go on to another address, see native/relay.h. */
export class Relay {
  private readonly number: number

  /** Takes the descriptor over. */
  constructor(fd: number, protocol: 'tcp' | 'udp', address: string, port: number, options: Limits & Closed) {
    this.number = native.relayOpen({ fd, protocol, address, port, ...options })
  }

  static counts(): Counts {
    return native.relayCounts()
  }

  /** Closes the socket and cuts its connections; the port is free at once. */
  close(): void {
    native.relayClose(this.number)
  }
}

/** A network namespace without a name, loopback up. It goes with the process, or once it is closed and nothing is in it. */
export class Room {
  private fd = native.namespaceCreate()

  /** A namespace file for everything of this process that takes one. */
  get path(): string {
    return `/proc/self/fd/${this.fd}`
  }

  close(): void {
    if (this.fd >= 0) native.descriptorClose(this.fd)
    this.fd = -1
  }
}
