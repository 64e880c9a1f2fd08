/**
 * A unix socket to which one peer at a time attaches: a guest, a DPDK process, another switch. As server it listens and takes the next
 * connection when the one before is over, later ones wait in the kernel's backlog; as client it connects, again and again until
 * somebody is there. What is said over the connection is not its business.
 */
import { unlinkSync } from 'node:fs'
import { native } from '../memory/native.ts'

/** How often a client tries to connect, and a server whose process has no descriptor left to accept, in milliseconds. */
const RETRY_MS = 1000

export interface ChannelSpec {
  path: string
  role: 'server' | 'client'
  /** of the server's socket file */
  mode: number
  /** uid that the file is given to, -1 for the switch's own */
  owner: number
}

export class Channel {
  private readonly spec: ChannelSpec
  private readonly peer: (fd: number) => void
  /** the listening socket, -1 for a client */
  private socket = -1
  private watch = -1
  private timer: NodeJS.Timeout | null = null
  private isOpen = false
  private isTaken = false

  /** `peer` gets the descriptor of a connection, closes it in the end and then calls `done`. */
  constructor(spec: ChannelSpec, peer: (fd: number) => void) {
    this.spec = spec
    this.peer = peer
  }

  /** Makes the server's socket, or begins to look for the server. Throws a NativeError if the socket cannot be made. */
  open(): void {
    const { role, path, mode, owner } = this.spec
    if (role === 'server') {
      this.socket = native.unixListen({ path, kind: 'stream', mode, owner })
      watchPath(path)
    }
    this.isOpen = true
    this.wait(0)
  }

  /** The peer is gone, and its descriptor closed: the next one may come. */
  done(): void {
    this.isTaken = false
    // A server that takes a connection and drops it is asked again at the client's pace.
    this.wait(this.spec.role === 'client' ? RETRY_MS : 0)
  }

  /** Takes no peer any more and removes the server's socket; who is connected stays so until whoever got him closes. */
  close(): void {
    if (!this.isOpen) return
    this.isOpen = false
    this.rest()
    if (this.socket < 0) return
    remove(this.spec.path)
    native.descriptorClose(this.socket)
    this.socket = -1
  }

  /** On the way out in a hurry: removes what would outlive the process. */
  leave(): void {
    if (this.socket >= 0) remove(this.spec.path)
  }

  private wait(delayMs: number): void {
    if (!this.isOpen || this.isTaken) return
    this.rest()
    if (this.socket >= 0 && delayMs === 0) this.watch = native.watchOpen(this.socket, () => this.look())
    else this.timer = setTimeout(() => this.look(), delayMs)
  }

  private rest(): void {
    if (this.watch >= 0) native.watchClose(this.watch)
    this.watch = -1
    if (this.timer) clearTimeout(this.timer)
    this.timer = null
  }

  /** A connection if there is one by now; its absence is what is waited for. */
  private look(): void {
    let fd = -1
    try {
      fd = this.socket >= 0 ? native.unixAccept(this.socket) : native.unixConnect(this.spec.path)
    } catch {
      // No descriptor is left (EMFILE), or no server is there yet (ECONNREFUSED, ENOENT and their kind).
      this.wait(RETRY_MS)
      return
    }
    if (fd < 0) {
      this.wait(0)
      return
    }
    this.isTaken = true
    this.rest()
    this.peer(fd)
  }
}

/** A bound socket of datagrams, whose file goes when it is closed. Throws a NativeError. */
export function bind(path: string, mode: number, owner: number): number {
  const fd = native.unixListen({ path, kind: 'dgram', mode, owner })
  watchPath(path)
  return fd
}

function watchPath(path: string): void {
  try {
    native.reaperWatch('path', path, '')
  } catch {
    // A switch without a reaper, or one with more sockets than it remembers: the next start removes what a killed one left.
  }
}

/** Removes a socket's file, and the reaper's note of it. */
export function remove(path: string): void {
  try {
    unlinkSync(path)
  } catch {
    // Somebody removed it before.
  }
  native.reaperForget('path', path)
}
