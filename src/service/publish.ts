/**
 * Published ports on addresses of the host: the sockets that lead to a port of the link, from where the gateway's redirect
 * goes on to the guest. The addon's relay moves what comes in: beside the control thread, and TCP at twice the rate of Node's
 * pipes (17 against 8 Gbit/s over loopback, iperf3, one stream, two cores).
 */
import * as socket from '../port/socket.ts'
import { Refused } from './refused.ts'

/** Ports `first` to `last` of the host's `address` ('' for every one) lead to `to` and ports from `toFirst` on. */
export interface Mapping {
  protocol: 'tcp' | 'udp'
  address: string
  first: number
  last: number
  to: string
  toFirst: number
  /** guests who may not come back in this way, none unless given */
  closed?: socket.Closed
}

export interface Counts {
  /** TCP connections and UDP sessions of now */
  sessions: number
  /** TCP connections that reached the guest, that it or a limit refused; bytes of TCP and UDP, both directions */
  accepted: number
  refused: number
  bytes: number
}

/** Of all mappings together: TCP connections with two descriptors each, UDP sessions with one; RFC 4787 REQ-5 for how long these last. */
const LIMITS = {
  tcp: { capacity: 16_384, idleMs: 0 },
  udp: { capacity: 16_384, idleMs: 300_000 },
}

const OPEN: socket.Closed = { network: 0, mask: 0 }

function keyOf(mapping: Mapping): string {
  const { protocol, address, first, last, to, toFirst, closed = OPEN } = mapping
  return [protocol, address, first, last, to, toFirst, closed.network, closed.mask].join(' ')
}

function refusal({ protocol, address }: Mapping, port: number, error: NodeJS.ErrnoException): Refused {
  const what = `publish ${protocol}:${address}:${port}`
  const reasons: Record<string, [string, string]> = {
    EADDRINUSE: [
      'the port is in use on the host',
      `see who has it (ss -lnp ${protocol === 'tcp' ? '-t' : '-u'} sport = :${port}) or publish another`,
    ],
    EADDRNOTAVAIL: [
      `the host has no address ${address}`,
      'write one of its own (ip address) or leave it empty',
    ],
    EACCES: ['no right to use that port', 'run as root or publish a port from 1024 on'],
    EMFILE: ['the daemon has no descriptor left', 'raise its limit (LimitNOFILE, ulimit -n)'],
  }
  const [why, remedy] = reasons[error.code ?? ''] ?? [error.message, 'see errno(3)']
  return new Refused(what, why, remedy)
}

function openOne(mapping: Mapping, port: number): socket.Relay {
  const { protocol, address, to, closed = OPEN } = mapping
  const inside = mapping.toFirst + port - mapping.first
  try {
    const fd = socket.open({ netns: '', protocol, address, port })
    return new socket.Relay(fd, protocol, to, inside, { ...LIMITS[protocol], ...closed })
  } catch (error) {
    throw refusal(mapping, port, error as NodeJS.ErrnoException)
  }
}

/** Opens all ports of a mapping or none. */
function open(mapping: Mapping): socket.Relay[] {
  const opened: socket.Relay[] = []
  try {
    for (let port = mapping.first; port <= mapping.last; port++) opened.push(openOne(mapping, port))
  } catch (error) {
    for (const each of opened) each.close()
    throw error
  }
  return opened
}

function meet(a: Mapping, b: Mapping): boolean {
  return a.protocol === b.protocol && a.first <= b.last && b.first <= a.last
}

export class Published {
  private mappings = new Map<string, { mapping: Mapping; sockets: socket.Relay[] }>()

  /**
   * Makes the sockets exactly those of the list; what stays is not disturbed, connections of what goes are cut. Throws a
   * Refused if one cannot be opened, and then everything is as before.
   */
  set(list: Mapping[]): void {
    const wanted = new Map(list.map((mapping) => [keyOf(mapping), mapping]))
    const fresh = [...wanted].filter(([key]) => !this.mappings.has(key))
    const going = [...this.mappings].filter(([key]) => !wanted.has(key))
    // A port that moves to another guest: its old socket has to go first.
    const first = going.filter(([, old]) => fresh.some(([, mapping]) => meet(old.mapping, mapping)))
    for (const [key] of first) this.shut(key)
    const opened: string[] = []
    try {
      for (const [key, mapping] of fresh) {
        this.mappings.set(key, { mapping, sockets: open(mapping) })
        opened.push(key)
      }
    } catch (error) {
      this.revert(opened, first)
      throw error
    }
    for (const [key] of going) this.shut(key)
  }

  private shut(key: string): void {
    for (const each of this.mappings.get(key)?.sockets ?? []) each.close()
    this.mappings.delete(key)
  }

  /** Undoes a change. A port that somebody else took in between stays closed: what asked for it was refused anyway. */
  private revert(fresh: string[], gone: [string, { mapping: Mapping }][]): void {
    for (const key of fresh) this.shut(key)
    for (const [key, { mapping }] of gone) {
      try {
        this.mappings.set(key, { mapping, sockets: open(mapping) })
      } catch (error) {
        if (!(error instanceof Refused)) throw error
      }
    }
  }

  counts(): Counts {
    const { open, sessions, accepted, refused, bytes } = socket.Relay.counts()
    return { sessions: open + sessions, accepted, refused, bytes }
  }

  close(): void {
    this.set([])
  }
}
