/**
 * Who has which address. A book holds one network's leases by address and by client; a lease is in one of four states, and each
 * state keeps its leases in the order in which they came to it, so that the oldest is always the first. As many records exist
 * as there are addresses: nothing a guest sends makes a book grow beyond its pool.
 */

/** offered: until the client says yes; bound: the client has it; ended: free, but remembered; conflict: somebody else uses it. */
export type State = 'offered' | 'bound' | 'ended' | 'conflict'

/** dynamic: from the range; static: pinned to a MAC; port: of a port whose interface the switch configures itself. */
export type Kind = 'dynamic' | 'static' | 'port'

export interface Lease {
  network: string
  /** int32 */
  address: number
  /** MAC, and the client identifier in hexadecimal behind a slash if there is one */
  client: string
  mac: string
  /** '' if it has none, or one that another client has */
  hostname: string
  state: State
  kind: Kind
  /** end of the state in milliseconds of `now()`; Infinity: none */
  until: number
  /** index of the port it was asked by, -1 unknown */
  ingress: number
}

/** A bound lease began, ended, or has another name; moved: anything else that has a new end. */
export type What = 'begun' | 'ended' | 'renamed' | 'moved'
export type Change = (lease: Lease, what: What) => void

/** Milliseconds since 1970 by a clock that nobody sets: a corrected system time neither ends nor prolongs a lease. */
export function now(): number {
  return performance.timeOrigin + performance.now()
}

/** int32 as a dotted quad. */
export function dotted(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.')
}

/** A port may always have this many addresses; above that, only as many as are still free. */
const SHARE_MIN = 8

export class Book {
  readonly network: string
  readonly offered = new Map<number, Lease>()
  readonly bound = new Map<number, Lease>()
  readonly ended = new Map<number, Lease>()
  readonly conflict = new Map<number, Lease>()
  /** addresses that are not free, those pinned to a MAC left out: the range does not have them */
  held = 0
  private readonly leases = new Map<number, Lease>()
  private readonly clients = new Map<string, Lease>()
  private readonly names = new Map<string, Lease>()
  private readonly shares = new Map<number, number>()
  private readonly onchange: Change

  constructor(network: string, onchange: Change) {
    this.network = network
    this.onchange = onchange
  }

  /** The record of an address. */
  at(address: number): Lease | undefined {
    return this.leases.get(address)
  }

  /** The record of a client. */
  of(client: string): Lease | undefined {
    return this.clients.get(client)
  }

  /** The bound lease that goes by a name. */
  named(hostname: string): Lease | undefined {
    return this.names.get(hostname)
  }

  /** True if nobody has the address, was offered it or is in conflict about it. */
  free(address: number): boolean {
    const state = this.leases.get(address)?.state
    return state === undefined || state === 'ended'
  }

  /**
   * True if a port may get another address out of `capacity`: while it holds fewer than are free. One port alone gets half of
   * the range, n of them get 1/(n + 1) each, and there is always something left for the next.
   */
  affords(ingress: number, capacity: number): boolean {
    const share = this.shares.get(ingress) ?? 0
    return ingress < 0 || share < SHARE_MIN || share < capacity - this.held
  }

  /** Gives an address to a client; what either had before is over. */
  assign(lease: Lease): void {
    const before = this.leases.get(lease.address)
    if (before !== undefined) this.forget(before)
    const other = this.clients.get(lease.client)
    if (other !== undefined && other !== before) {
      // Its address stays on record, so that it is found when it is the oldest that is free.
      if (other.state !== 'ended') this.move(other, 'ended', now())
      other.client = ''
    }
    this.leases.set(lease.address, lease)
    this.clients.set(lease.client, lease)
    this.enter(lease)
  }

  /** Moves a lease on to a state and an end. */
  move(lease: Lease, state: State, until: number): void {
    if (lease.state === state) {
      lease.until = until
      this.onchange(lease, 'moved')
      return
    }
    this.leave(lease)
    lease.state = state
    lease.until = until
    this.enter(lease)
  }

  /** Notes by which port the client is reached now. */
  shift(lease: Lease, ingress: number): void {
    if (lease.ingress === ingress) return
    if (lease.state !== 'ended') this.count(lease, -1)
    lease.ingress = ingress
    if (lease.state !== 'ended') this.count(lease, 1)
  }

  /** A bound lease's name: the one it asks for, unless another client goes by it. */
  name(lease: Lease, hostname: string): void {
    const holder = this.names.get(hostname)
    const name = holder === undefined || holder === lease ? hostname : ''
    if (name === lease.hostname) return
    if (this.names.get(lease.hostname) === lease) this.names.delete(lease.hostname)
    lease.hostname = name
    if (lease.state !== 'bound') return
    if (name !== '') this.names.set(name, lease)
    this.onchange(lease, 'renamed')
  }

  /** The address is used by somebody else: whoever was to have it loses it. */
  dispute(address: number, ingress: number, until: number): void {
    const before = this.leases.get(address)
    if (before !== undefined) this.forget(before)
    const none = { network: this.network, client: '', mac: '', hostname: '', kind: 'dynamic' as const }
    const lease: Lease = { ...none, address, state: 'conflict', until, ingress }
    this.leases.set(address, lease)
    this.enter(lease)
  }

  /** Removes a record; only of an address that gets another one, or of a network that goes. */
  forget(lease: Lease): void {
    this.leave(lease)
    this.leases.delete(lease.address)
    if (this.clients.get(lease.client) === lease) this.clients.delete(lease.client)
  }

  /** Ends what is over; returns when the next one will be. */
  expire(time: number): number {
    let next = Number.POSITIVE_INFINITY
    for (const lease of [this.offered, this.bound, this.conflict].flatMap((each) => [...each.values()])) {
      if (lease.until <= time) this.move(lease, 'ended', time)
      else next = Math.min(next, lease.until)
    }
    return next
  }

  private enter(lease: Lease): void {
    this[lease.state].set(lease.address, lease)
    if (lease.state !== 'ended') this.count(lease, 1)
    if (lease.state !== 'bound') {
      this.onchange(lease, 'moved')
      return
    }
    if (this.names.has(lease.hostname)) lease.hostname = ''
    else if (lease.hostname !== '') this.names.set(lease.hostname, lease)
    this.onchange(lease, 'begun')
  }

  private leave(lease: Lease): void {
    this[lease.state].delete(lease.address)
    if (lease.state !== 'ended') this.count(lease, -1)
    if (lease.state !== 'bound') return
    if (this.names.get(lease.hostname) === lease) this.names.delete(lease.hostname)
    this.onchange(lease, 'ended')
  }

  private count(lease: Lease, by: number): void {
    if (lease.kind === 'static') return
    this.held += by
    const share = (this.shares.get(lease.ingress) ?? 0) + by
    if (share === 0) this.shares.delete(lease.ingress)
    else this.shares.set(lease.ingress, share)
  }
}
