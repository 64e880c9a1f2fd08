/** The gateways as the worker has them, made once more from the program: links, redirects, and who is where, for those who ask why. */
import { Link } from '../gateway/link.ts'
import { Links } from '../gateway/links.ts'
import { OWN, Packet } from '../gateway/packet.ts'
import { Redirects } from '../gateway/redirect.ts'
import { GUESTS, HOST_UPLINK, NIC_UPLINK } from '../pipeline/program.ts'
import type { Network } from '../port/network.ts'
import type { Port } from '../port/port.ts'
import { neighbours } from '../table/snapshot.ts'
import * as mac from '../wire/mac.ts'
import { contains, ipv4Text, mask } from './address.ts'
import type { NetworkConfiguration } from './configuration.ts'
import { monotonicMs } from './listing.ts'
import type { Member } from './member.ts'
import type { Plant } from './plant.ts'
import { Refusal } from './refusal.ts'

/** Where a packet enters. */
export interface Entry {
  network: string
  /** null where nobody knows it */
  member: Member | null
  /** null where the network has no gateway of ours */
  link: Link | null
  /** the gateway sends it itself */
  isOwn: boolean
}

/** A neighbour as far as it is known. */
export interface Station {
  member: Member | null
  high: number
  low: number
}

const NOBODY: Station = { member: null, high: 0, low: 0 }

export class Terrain {
  readonly links = new Links()
  readonly redirects = new Redirects()
  readonly packet: Packet
  private readonly plant: Plant
  private readonly names = new Map<number, string>()

  constructor(plant: Plant) {
    this.plant = plant
    const { networks, gateway } = plant.program()
    const nowhere = { index: OWN } as Port
    this.packet = new Packet(nowhere, new Link({ index: -1 } as Network, nowhere))
    for (const { name, index } of plant.nets.values()) this.names.set(index, name)
    const made = new Map<number, Link>()
    for (const { index, mtu, link: wanted } of networks) {
      if (wanted === null) continue
      const link = new Link({ index, mtu } as Network, { index: wanted.port } as Port)
      const { translation, uplink: _, port: __, refused, ...plain } = wanted
      const own = { mtu, mask: mask(wanted.prefix), refused: Int32Array.from(refused) }
      Object.assign(link, plain, own, {
        translated: translation !== null,
        hairpin: translation?.hairpin ?? false,
      })
      made.set(index, link)
    }
    for (const { index, link: wanted } of networks) {
      const link = made.get(index)
      if (link !== undefined && wanted !== null) link.uplink = made.get(wanted.uplink) ?? null
    }
    this.links.list = [...made.values()]
    for (const link of this.links.list) this.links.at[link.port.index] = link
    this.redirects.set(gateway?.redirects ?? [])
  }

  /** The name of a link's network. */
  nameOf(link: Link): string {
    return this.names.get(link.network.index) ?? ''
  }

  /** What a network was told to be; undefined for hidden ones. */
  network(name: string): NetworkConfiguration | undefined {
    const net = this.plant.nets.get(name)
    return net?.role === GUESTS ? net.configuration : undefined
  }

  /** The port of a name that rules may say: hidden ones have none. */
  port(name: string): Member | null {
    const member = this.plant.members.get(name)
    return member === undefined || member.spec.hidden ? null : member
  }

  kindOf(name: string): 'port' | 'network' | null {
    if (this.plant.nets.has(name)) return 'network'
    return this.port(name) === null ? null : 'port'
  }

  /** Who has an address in a network, by what the gateway learned. */
  station(network: string, address: number): Station {
    const { neighboursAt, neighbourCapacity } = this.plant.ground.memory
    const index = this.plant.nets.get(network)?.index
    const all = neighbours(this.plant.arena, neighboursAt, neighbourCapacity, monotonicMs())
    const found = all.find((each) => each.network === index && each.address === address)
    const members = [...this.plant.members.values()]
    const configured = members.find(
      ({ spec, address: own }) => spec.network === network && own?.split('/')[0] === ipv4Text(address),
    )
    const member = members.find((each) => each.index === found?.port) ?? configured ?? null
    if (found !== undefined) return { member, high: found.high, low: found.low }
    const known = mac.parse(configured?.spec.mac ?? '')
    return known === null ? { ...NOBODY, member } : { member, ...known }
  }

  /** Where a packet from `source` to `destination` enters; `name` is the port or network that was named. Throws a Refusal. */
  entry(source: number, destination: number, name: string | undefined): Entry {
    if (name !== undefined) return this.named(name, source)
    const { list } = this.links
    const own = list.find((link) => link.address === source)
    if (own !== undefined) return { network: this.nameOf(own), member: null, link: own, isOwn: true }
    const inside = list.find((link) => link.role === GUESTS && link.holds(source))
    if (inside !== undefined) return this.at(this.nameOf(inside), inside, source)
    const bridged = [...this.plant.nets.values()].find(
      ({ role, configuration: { subnet } }) => role === GUESTS && subnet !== null && contains(subnet, source),
    )
    if (bridged !== undefined) return this.at(bridged.name, null, source)
    const link = this.outside(source, destination)
    if (link !== null) return this.at(this.nameOf(link), link, source)
    const why = `no network has ${ipv4Text(source)}, and more than one way leads outside, or none`
    throw new Refusal('flow', why, 'name the port or network that it comes in by with --port')
  }

  private named(name: string, source: number): Entry {
    const member = this.port(name)
    const network = this.plant.nets.has(name) ? name : member?.spec.network
    if (network === undefined)
      throw new Refusal('flow', `there is no port or network ${name}`, 'see bridgeport port ls')
    const link = this.links.list.find((each) => this.nameOf(each) === network) ?? null
    if (this.plant.nets.has(name)) return this.at(network, link, source)
    return { network, member, link, isOwn: false }
  }

  private at(network: string, link: Link | null, source: number): Entry {
    const { member } = this.station(network, source)
    return { network, member: member?.spec.hidden ? null : member, link, isOwn: false }
  }

  /** The uplink by which a stranger's packet to `destination` comes. */
  private outside(source: number, destination: number): Link | null {
    const outward = [HOST_UPLINK, NIC_UPLINK]
    const uplinks = this.links.list.filter(({ role, address }) => outward.includes(role) && address !== 0)
    const led = uplinks.filter(
      (link) =>
        link.address === destination ||
        this.links.list.some((each) => each.uplink === link && each.holds(destination)),
    )
    const near = uplinks.filter((link) => link.holds(source))
    for (const candidates of [led, near, uplinks]) if (candidates.length === 1) return candidates[0]
    return null
  }
}
