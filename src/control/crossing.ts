/** What is no way through the gateway: frames that are bridged, what the gateway sends itself, and how a packet leaves. */
import * as r from '../chain/registers.ts'
import type { Hook, Ruleset, TableName } from '../chain/rule.ts'
import type { Scene } from '../chain/walk.ts'
import type { Link } from '../gateway/link.ts'
import { hop } from '../gateway/route.ts'
import * as reason from '../pipeline/reason.ts'
import * as flow from '../table/flow.ts'
import { contains, ipv4Text } from './address.ts'
import type { Parcel } from './parcel.ts'
import type { Entry, Terrain } from './terrain.ts'
import { type Known, Traveller, type Verdict } from './traveller.ts'

export class Crossing extends Traveller {
  egress: Link | null = null
  /** 0 where the packet goes nowhere */
  nextHop = 0
  protected readonly terrain: Terrain

  constructor(
    ruleset: Ruleset,
    scene: Scene,
    terrain: Terrain,
    parcel: Parcel,
    entry: Entry,
    known: Known | null,
  ) {
    super(ruleset, scene, terrain.packet, parcel, entry, known)
    this.terrain = terrain
  }

  protected leaves(): Verdict {
    const name = this.egress === null ? this.entry.network : this.terrain.nameOf(this.egress)
    return {
      verdict: 'passes',
      reason: null,
      text: `leaves by ${name} to ${ipv4Text(this.nextHop)}: ${this.tuple()}`,
    }
  }

  /** What the gateway sends itself. */
  protected output(): Verdict {
    const { terrain, parcel, entry } = this
    const { list } = terrain.links
    const own = entry.link as Link
    const egress = list.find((link) => link.holds(parcel.destination)) ?? own.uplink ?? own
    this.egress = egress
    this.nextHop = hop(egress, parcel.destination)
    const name = terrain.nameOf(egress)
    this.out(name, egress, terrain.station(name, this.nextHop).member)
    const raw = this.permits('raw', 'OUTPUT')
    if (raw !== null) return raw
    this.track()
    const isFirst = this.known === null && this.state === 'NEW'
    const places: [TableName, Hook, boolean][] = [
      ['mangle', 'OUTPUT', true],
      ['nat', 'OUTPUT', isFirst],
      ['filter', 'OUTPUT', true],
      ['mangle', 'POSTROUTING', true],
      ['nat', 'POSTROUTING', isFirst],
    ]
    for (const [table, hook, isAsked] of places) {
      const verdict = isAsked ? this.permits(table, hook) : null
      if (verdict !== null) return verdict
    }
    return this.leaves()
  }

  /** True if the frame goes from port to port of one network, and not to the gateway. */
  protected isBridged(): boolean {
    const { known, entry, parcel, terrain } = this
    const subnet = terrain.network(entry.network)?.subnet ?? null
    if (subnet === null || entry.link?.address === parcel.destination) return false
    if (!contains(subnet, parcel.destination) || !contains(subnet, parcel.source)) return false
    if (known === null) return true
    // A connection through the gateway may bear an address of the network that nobody there has.
    const { words } = known
    const isPlain = words[flow.REPLY + flow.SOURCE] === words[flow.DESTINATION]
    const isHere = words[flow.NETWORKS] >>> 16 === (words[flow.NETWORKS] & 0xffff)
    return isPlain && isHere && words[flow.REPLY + flow.DESTINATION] === words[flow.SOURCE]
  }

  protected bridge(): Verdict {
    const { entry, terrain, parcel, x } = this
    const { member } = terrain.station(entry.network, parcel.destination)
    const network = terrain.network(entry.network)
    this.nextHop = parcel.destination
    const isolated =
      network?.isolated || (entry.member?.spec.isolated ?? false) || (member?.spec.isolated ?? false)
    const passes = {
      verdict: 'passes',
      reason: null,
      text: `bridged in ${entry.network}: ${this.tuple()}`,
    } as const
    if (isolated) return this.drop(reason.ISOLATED, `ports of ${entry.network} reach the gateway only`)
    if (network?.filterBridged !== true) {
      this.tell('bridge', `both are in ${entry.network}; without filterBridged no rule is asked`)
      return passes
    }
    x[r.BRIDGED] = 1
    this.tell('bridge', `both are in ${entry.network}, which says filterBridged; the nat table is not asked`)
    const first = this.permits('raw', 'PREROUTING')
    if (first !== null) return first
    this.track()
    const early = this.permits('mangle', 'PREROUTING')
    if (early !== null) return early
    this.out(entry.network, entry.link, member)
    for (const [table, hook] of [
      ['mangle', 'FORWARD'],
      ['filter', 'FORWARD'],
      ['mangle', 'POSTROUTING'],
    ] as const) {
      const verdict = this.permits(table, hook)
      if (verdict !== null) return verdict
    }
    return passes
  }

  protected foreign(): Verdict {
    const { network, link } = this.entry
    const why = link === null ? `${network} has no gateway of ours` : `the host is the gateway of ${network}`
    this.tell('bridge', `${why}: no rule is asked of what goes there`)
    return { verdict: 'passes', reason: null, text: `given to whoever has the gateway's MAC in ${network}` }
  }
}
