/**
 * The host's side of the uplink `host`: the host forwards between the links to the switch and its own way outside, and translates what
 * comes from the switch. Everything is declared at once and made so; somebody who takes a part of it away (a firewall that is
 * loaded anew, an interface that comes late) finds it made again within two seconds.
 */
import { join } from 'node:path'
import { type NativeError, native } from '../memory/native.ts'
import { Forwarding } from './forwarding.ts'
import { NETFILTER } from './netlink.ts'
import * as nftables from './nftables.ts'
import * as route from './route.ts'

/** The host's end of a link. */
export interface HostLink {
  /** its interface, which exists */
  ifname: string
  /** sources that the host translates to its own address; empty: it leaves them alone */
  sources: route.Prefix[]
  /** networks behind the link that the host reaches untranslated */
  routes: route.Route[]
}

/** How often the host is looked at again, in milliseconds. */
const REFRESH_MS = 2000

function keyOf(ifname: string, { subnet, via }: route.Route): string {
  return `${ifname} ${subnet.address}/${subnet.prefix} ${via}`
}

export class HostSide {
  private readonly instance: string
  private readonly forwarding: Forwarding
  private readonly warn: (text: string) => void
  private links: HostLink[] = []
  private readonly routes = new Map<string, { ifname: string; route: route.Route }>()
  /** cards whose MAC guests share */
  private cards: string[] = []
  /** interfaces at which networks end */
  private closed: string[] = []
  /** what the chains say, as text; '' where there is none */
  private readonly laid = new Map<nftables.Chain, string>()
  private complaint = ''
  private timer: NodeJS.Timeout | null = null

  /** `state` is the folder for what a restart may have to repair; `warn` is told what goes wrong later. */
  constructor(instance: string, state: string, warn: (text: string) => void) {
    this.instance = instance
    this.forwarding = new Forwarding(join(state, 'uplink.json'))
    this.warn = warn
  }

  /** Takes back what a killed switch of the same instance left. Call before `set`. */
  repair(): void {
    this.forwarding.repair()
    try {
      nftables.remove(this.instance, nftables.CHAINS)
    } catch (error) {
      // Who may not remove chains has made none.
      if ((error as NativeError).code !== 'EPERM') throw error
    }
  }

  /**
   * Makes the host what exactly these links, cards with shared MACs, and networks that end at their interface `closed` need;
   * throws a NativeError and leaves it as it was.
   */
  set(links: HostLink[], cards: string[] = [], closed: string[] = []): void {
    const before = [this.links, this.cards, this.closed] as const
    try {
      this.apply(links, cards, closed)
    } catch (error) {
      this.retreat(...before)
      throw error
    }
    if (links.length + cards.length + closed.length > 0)
      this.timer ??= setInterval(() => this.refresh(), REFRESH_MS).unref()
    else this.rest()
  }

  /** Back to what was there before a change that failed; what fails here too is told, the first error counts. */
  private retreat(links: HostLink[], cards: string[], closed: string[]): void {
    try {
      this.apply(links, cards, closed)
    } catch (error) {
      this.warn((error as Error).message)
    }
  }

  private apply(links: HostLink[], cards: string[], closed: string[]): void {
    this.links = links
    this.cards = cards
    this.closed = closed
    const isIdle = links.length + cards.length + closed.length + this.laid.size === 0
    const present = isIdle
      ? { translating: false, hushing: false, closing: false }
      : nftables.present(this.instance)
    this.translate(links, present.translating)
    this.hush(cards, present.hushing)
    this.shut(closed, present.closing)
    this.lead(links)
    const through = links.length > 0 ? route.egresses() : []
    const again = this.forwarding.set(
      links.map(({ ifname }) => ifname),
      through,
    )
    if (again.length > 0)
      this.warn(
        `somebody had turned off the forwarding of ${again.join(', ')}, which the uplink needs; it is on again`,
      )
  }

  /** The chain of sources to translate. */
  private translate(links: HostLink[], isThere: boolean): void {
    const ranges = links
      .flatMap(({ sources }) => sources)
      .map(({ address, prefix }) => {
        const mask = prefix === 0 ? 0 : -1 << (32 - prefix)
        const first = address & mask
        return { first, end: ((first >>> 0) + 2 ** (32 - prefix)) | 0 }
      })
    const wanted = ranges.length > 0 ? JSON.stringify(ranges) : ''
    this.lay('translating', wanted, isThere, () => nftables.masquerade(this.instance, ranges))
  }

  /** The chain that keeps the host from bouncing what is for guests with its own MAC. */
  private hush(cards: string[], isThere: boolean): void {
    const wanted = cards.length > 0 ? JSON.stringify(cards) : ''
    this.lay('hushing', wanted, isThere, () => nftables.hush(this.instance, cards))
  }

  /** The chain that keeps the host from routing between a network that ends at its interface and anybody else. */
  private shut(closed: string[], isThere: boolean): void {
    const wanted = closed.length > 0 ? JSON.stringify(closed) : ''
    this.lay('closing', wanted, isThere, () => nftables.shut(this.instance, closed))
  }

  /** Makes a chain what is wanted, '' for none, unless it is that already. */
  private lay(what: nftables.Chain, wanted: string, isThere: boolean, make: () => void): void {
    const laid = this.laid.get(what) ?? ''
    if (wanted === laid && (wanted === '' || isThere)) return
    if (wanted !== '') {
      const removals = nftables.removals(this.instance)
      native.reaperWatch('request', what, removals[what], NETFILTER)
      native.reaperWatch('request', 'table', removals.table, NETFILTER)
      make()
    } else {
      nftables.remove(this.instance, [what])
      native.reaperForget('request', what)
    }
    this.laid.set(what, wanted)
  }

  /** The host's routes into routed networks. */
  private lead(links: HostLink[]): void {
    const wanted = new Map(
      links.flatMap(({ ifname, routes }) =>
        routes.map((each) => [keyOf(ifname, each), { ifname, route: each }] as const),
      ),
    )
    for (const [key, { ifname, route: each }] of [...this.routes]) {
      if (wanted.has(key)) continue
      this.routes.delete(key)
      route.remove(ifname, each)
    }
    for (const [key, each] of wanted) {
      try {
        route.add(each.ifname, each.route)
      } catch (error) {
        // Ours from before; an interface that is down for a moment has no routes, and gets them again.
        if (!this.routes.has(key)) throw error
      }
      this.routes.set(key, each)
    }
  }

  /** Looks at the host again. */
  private refresh(): void {
    try {
      this.apply(this.links, this.cards, this.closed)
      this.complaint = ''
    } catch (error) {
      const { message } = error as NativeError
      if (message !== this.complaint) this.warn(`the host's side of the uplink: ${message}`)
      this.complaint = message
    }
  }

  private rest(): void {
    if (this.timer) clearInterval(this.timer)
    this.timer = null
  }

  /** Gives the host back as it was. */
  close(): void {
    this.rest()
    try {
      this.apply([], [], [])
    } catch (error) {
      this.warn(`the host's side of the uplink was not put back: ${(error as Error).message}`)
    }
  }
}
