/** One port of a network in the picture: a socket, who is plugged in, and what flows through its cable. */
import type { LeaseRow } from '../control/lease.ts'
import type { PortPicture } from '../control/live/live.ts'
import { element, led, mark, say, shine } from './dom.ts'
import * as format from './format.ts'
import { portIcon } from './icon.ts'
import type { Entry } from './roll.ts'
import { POINTS, Spark } from './spark.ts'
import { go } from './view.ts'
import type { World } from './world.ts'

/** What the picture knows of guests beside their ports, by port. */
export type Leases = ReadonlyMap<string, LeaseRow>

/** How busy a cable looks, 0 to 4: from nothing by powers of a hundred from 10 kbit/s on. */
export function flow(bytes: number): string {
  if (bytes < 1) return '0'
  return String(Math.min(4, Math.max(1, Math.ceil(Math.log10(bytes * 8) / 2 - 1))))
}

/** What is known of who is behind a port. */
function guest({ socket, state, reason, type }: PortPicture, lease: LeaseRow | undefined): string {
  if (state !== 'up' && reason !== '') return reason
  if (socket?.guest) {
    const { queues, features } = socket.guest
    return `guest connected, ${queues} ${queues === 1 ? 'queue' : 'queues'}, ${features.length} features`
  }
  if (socket !== null && socket.connected !== null)
    return socket.connected ? 'connected' : 'nobody is connected'
  return lease?.hostname ?? (type === 'host' ? 'this machine' : '')
}

/** Everything that a filter looks at. */
export function textOf(port: PortPicture, lease: LeaseRow | undefined): string {
  const { name, network, type, ifname, netns, mac, address, state } = port
  const known = [name, network, type, ifname, netns, mac, address, state, lease?.address, lease?.hostname]
  return known.join('\n').toLowerCase()
}

export function socket(world: World, leases: () => Leases, { name, type }: PortPicture): Entry<PortPicture> {
  const light = led('waiting')
  const address = element('span', { class: 'address' })
  const who = element('span', { class: 'who' })
  const input = element('span', { class: 'in' })
  const output = element('span', { class: 'out' })
  const spark = new Spark()
  const rates = element('span', { class: 'rates' }, input, output)
  const title = element('span', { class: 'title' }, portIcon(type), element('b', {}, name), light)
  const jack = element(
    'button',
    { type: 'button', class: 'jack', onclick: () => go('ports', name) },
    ...[title, address, who, rates, spark.element],
  )
  const cable = element('span', { class: 'cable', 'aria-hidden': 'true' }, element('i'))
  const line = element('li', { class: 'socket' }, cable, jack)
  const update = (port: PortPicture) => {
    const [, received, , sent, drops] = world.ratesOf(name)
    const lease = leases().get(name)
    const { features = [] } = port.socket?.guest ?? {}
    shine(light, port.state, port.reason)
    mark(line, 'data-state', port.state)
    mark(line, 'data-flow', flow(received + sent))
    mark(line, 'data-drops', drops > 0 ? 'some' : null)
    say(address, port.address ?? lease?.address ?? port.mac ?? port.ifname)
    say(who, guest(port, lease))
    mark(who, 'title', features.length > 0 ? features.join(', ') : null)
    say(input, format.bitRate(received))
    say(output, format.bitRate(sent))
    spark.show([world.history.recent(name, 1, POINTS), world.history.recent(name, 3, POINTS)])
  }
  return { element: line, update }
}

/** The same port where there is no room: its light alone. */
export function lamp(world: World, { name }: PortPicture): Entry<PortPicture> {
  const light = element('button', { type: 'button', class: 'lamp', onclick: () => go('ports', name) })
  const line = element('li', {}, light)
  const update = ({ state, reason }: PortPicture) => {
    const [, received, , sent] = world.ratesOf(name)
    const why = reason === '' ? '' : `, ${reason}`
    const text = `${name}: ${state}${why}, ${format.bitRate(received)} in, ${format.bitRate(sent)} out`
    mark(light, 'data-state', state)
    mark(light, 'data-flow', flow(received + sent))
    mark(light, 'title', text)
    mark(light, 'aria-label', text)
  }
  return { element: line, update }
}
