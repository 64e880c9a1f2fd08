// Which sets of ports the uplinks have: one each for TCP, UDP and the identifiers of ICMP queries.
import { GUESTS, type RedirectProgram } from '../pipeline/program.ts'
import { type BindingTable, LINKS, MAPPING, OUTSIDE, WORDS } from '../table/binding.ts'
import { Endpoints } from '../table/endpoint.ts'
import * as ipv4 from '../wire/ipv4.ts'
import type { Link } from './link.ts'

const TCP = 0
const UDP = 1
const ICMP = 2
const KINDS = 3
/** Ports of a switch. */
const PORTS = 1024

export class Spaces {
  /** by local port of the uplink × KINDS + kind */
  private readonly sets: (Endpoints | null)[] = new Array(PORTS * KINDS).fill(null)

  /** What may be given out by that uplink to flows of that protocol; null if nothing. */
  of(uplink: number, protocol: number): Endpoints | null {
    const kind = kindOf(protocol)
    return kind < 0 ? null : this.sets[uplink * KINDS + kind]
  }

  /** Makes all sets anew: ranges of the links, without the endpoints that redirects promise, less what mappings hold. Cold. */
  set(links: readonly Link[], redirects: readonly RedirectProgram[], bindings: BindingTable): void {
    this.sets.fill(null)
    for (const inside of links) {
      const { uplink } = inside
      if (inside.role !== GUESTS || !inside.translated || uplink === null) continue
      for (let kind = 0; kind < KINDS; kind++)
        this.sets[uplink.port.index * KINDS + kind] = made(inside, uplink, kind, redirects)
    }
    for (let b = 0; b < bindings.high; b++) {
      if (bindings.kind(b) !== MAPPING) continue
      const uplink = bindings.words[b * WORDS + LINKS] & 0xffff
      const isOurs = links.some(
        (link) => link.port.index === uplink && link.address === bindings.words[b * WORDS + OUTSIDE],
      )
      if (isOurs) this.of(uplink, bindings.protocol(b))?.take(bindings.outsidePort(b))
    }
  }

  /** Endpoints of one uplink that mappings hold, and how many there could be. */
  count(uplink: number): { used: number; capacity: number } {
    const counts = { used: 0, capacity: 0 }
    for (let kind = 0; kind < KINDS; kind++) {
      const endpoints = this.sets[uplink * KINDS + kind]
      if (endpoints === null) continue
      counts.used += endpoints.capacity - endpoints.free
      counts.capacity += endpoints.capacity
    }
    return counts
  }
}

/** True for protocols whose flows have ports or identifiers to translate. */
export function hasPorts(protocol: number): boolean {
  return kindOf(protocol) >= 0
}

function kindOf(protocol: number): number {
  if (protocol === ipv4.PROTOCOL_UDP) return UDP
  if (protocol === ipv4.PROTOCOL_TCP) return TCP
  return protocol === ipv4.PROTOCOL_ICMP ? ICMP : -1
}

function made(inside: Link, uplink: Link, kind: number, redirects: readonly RedirectProgram[]): Endpoints {
  // RFC 5508 3.1: an identifier is no port, all of them will do.
  const endpoints = kind === ICMP ? new Endpoints(0, 65535) : new Endpoints(inside.first, inside.last)
  // A guest that gets all that nobody asked for (protocol 0) leaves the answers to the others; one that owns the address does not.
  for (const { network, protocol, address, first, last, mutual } of redirects) {
    const isOurs = network === uplink.network.index && address === uplink.address
    const isAll = protocol === 0
    if (!isOurs || (isAll ? !mutual : kindOf(protocol) !== kind)) continue
    for (let port = isAll ? 0 : first; port <= (isAll ? 65535 : last); port++) endpoints.block(port)
  }
  return endpoints
}
