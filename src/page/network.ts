/** One network in the picture: a switch with its sockets, and the way from it through its gateway outside. */
import type { PortPicture } from '../control/live/live.ts'
import type { NetworkRow } from '../control/rows.ts'
import { element, led, mark, say, shine } from './dom.ts'
import * as format from './format.ts'
import { icon } from './icon.ts'
import { type Entry, Roll } from './roll.ts'
import { flow, type Leases, lamp, socket } from './socket.ts'
import { POINTS, Spark } from './spark.ts'
import { networkKey, type World } from './world.ts'

/** More sockets than these are shown when asked for. */
const SOCKETS = 48

/** Networks of at most so many ports share a row with another, as folded ones do. */
const SMALL = 3

/** A network and those of its ports that are to be seen. */
export interface Site {
  network: NetworkRow
  ports: PortPicture[]
  /** a filter chose the ports: they are wanted open */
  isFiltered: boolean
}

/** A station on the way outside. */
function stop(name: string, title: string, detail: string, light: Node | null = null): HTMLElement {
  const text = element('span', {}, element('b', {}, title, light), element('small', {}, detail))
  return element('li', { class: `stop to-${name}` }, icon(name), text)
}

function wire(): HTMLElement {
  return element('li', { class: 'wire', 'aria-hidden': 'true' }, element('i'))
}

/** The stations from the switch outwards; made anew where the network itself has changed. */
function stops({ gateway, dhcp, dns, uplink, host, mode }: NetworkRow): HTMLElement[] {
  const line: HTMLElement[] = []
  if (host !== null) line.push(stop('host', host.ifname, host.address ?? 'this host'))
  const services = ['gateway', dhcp === null ? '' : 'DHCP', dns === null ? '' : 'DNS'].filter(Boolean)
  if (gateway !== null && mode !== 'host-only') line.push(stop('gateway', gateway, services.join(', ')))
  if (uplink === null) return line
  const { type, ifname, address, router, state, reason } = uplink
  const detail = state === 'up' || reason === '' ? (address ?? 'card') : reason
  line.push(stop(type === 'host' ? 'host' : 'card', ifname, detail, led(state, reason)))
  line.push(stop('outside', 'outside', router === null ? '' : `by ${router}`))
  return line
}

export function network(
  world: World,
  leases: () => Leases,
  folded: Map<string, boolean>,
  { network: { name } }: Site,
): Entry<Site> {
  const card = new Card(world, leases, folded, name)
  return { element: card.element, update: (site) => card.update(site) }
}

class Card {
  readonly element: HTMLElement
  private readonly world: World
  private readonly folded: Map<string, boolean>
  private readonly name: string
  private readonly fold: HTMLButtonElement
  private readonly badges = element('span', { class: 'badges' })
  private readonly way = element('ol', { class: 'way' })
  private readonly input = element('span', { class: 'in' })
  private readonly output = element('span', { class: 'out' })
  private readonly spark = new Spark()
  private readonly sockets = element('ul', { class: 'sockets' })
  private readonly lamps = element('ul', { class: 'lamps' })
  private readonly more: HTMLButtonElement
  private readonly none = element('p', { class: 'note' }, 'Nothing is plugged in.')
  private readonly open: Roll<PortPicture>
  private readonly closed: Roll<PortPicture>
  private site: Site | null = null
  private drawn = ''
  private limit = SOCKETS

  constructor(world: World, leases: () => Leases, folded: Map<string, boolean>, name: string) {
    this.world = world
    this.folded = folded
    this.name = name
    this.fold = element('button', { type: 'button', class: 'fold', onclick: () => this.toggle() }, name)
    this.more = element('button', { type: 'button', class: 'more', onclick: () => this.extend() })
    const keyOf = (port: PortPicture) => port.name
    this.open = new Roll(this.sockets, keyOf, (port) => socket(world, leases, port))
    this.closed = new Roll(this.lamps, keyOf, (port) => lamp(world, port))
    const rates = element('span', { class: 'rates' }, this.input, this.output)
    const figures = element('div', { class: 'figures' }, rates, this.spark.element)
    const title = element('h2', {}, icon('network'), this.fold)
    const head = element('header', {}, title, this.badges, this.way, figures)
    const body = [this.sockets, this.lamps, this.more, this.none]
    this.element = element('section', { class: 'network', 'aria-label': `network ${name}` }, head, ...body)
  }

  private toggle(): void {
    this.folded.set(this.name, !this.isFolded)
    if (this.site !== null) this.update(this.site)
  }

  private extend(): void {
    this.limit = Number.POSITIVE_INFINITY
    if (this.site !== null) this.update(this.site)
  }

  private get isFolded(): boolean {
    return this.folded.get(this.name) ?? false
  }

  update(site: Site): void {
    this.site = site
    this.describe(site.network)
    const { ports, isFiltered } = site
    const isFolded = this.isFolded && !isFiltered
    mark(this.fold, 'aria-expanded', String(!isFolded))
    this.open.show(isFolded ? [] : ports.slice(0, this.limit))
    this.closed.show(isFolded ? ports : [])
    this.more.hidden = isFolded || ports.length <= this.limit
    say(this.more, `${ports.length - this.limit} more ports`)
    this.none.hidden = ports.length > 0
    mark(this.element, 'data-size', isFolded || ports.length <= SMALL ? 'small' : null)
    this.measure()
  }

  /** The parts that seldom change. */
  private describe(network: NetworkRow): void {
    const drawn = JSON.stringify({ ...network, macs: 0 })
    if (drawn === this.drawn) return
    this.drawn = drawn
    const { mode, subnet, isolated, mtu, ports } = network
    const badge = (text: string, kind = '') => element('span', { class: `badge ${kind}` }, text)
    this.badges.replaceChildren(
      ...[badge(mode, `mode-${mode}`), badge(subnet ?? 'no subnet', 'plain')],
      badge(`${ports} ${ports === 1 ? 'port' : 'ports'}`, 'plain'),
      ...(isolated ? [badge('isolated')] : []),
      ...(mtu === 1500 ? [] : [badge(`MTU ${mtu}`, 'plain')]),
    )
    this.way.replaceChildren(...stops(network).flatMap((each) => [wire(), each]))
  }

  private measure(): void {
    const { world, name } = this
    const key = networkKey(name)
    const [, received, , sent] = world.ratesOf(key)
    say(this.input, format.bitRate(received))
    say(this.output, format.bitRate(sent))
    this.spark.show([world.history.recent(key, 1, POINTS), world.history.recent(key, 3, POINTS)])
    const { uplink: way, host } = this.site?.network ?? {}
    const [, inward, , outward] = world.ratesOf(way ? `${name}-uplink` : (host?.ifname ?? ''))
    for (const line of this.way.querySelectorAll('.wire')) mark(line, 'data-flow', flow(inward + outward))
    const uplink = world.port(`${name}-uplink`)
    const light = this.way.querySelector('.led')
    if (uplink !== undefined && light !== null) shine(light, uplink.state, uplink.reason)
  }
}
