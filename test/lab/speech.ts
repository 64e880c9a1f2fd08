/** ARP as stations and the gateway of a stand speak it, and packets that find no neighbour. */
import { TAKEN } from '../../src/gateway/packet.ts'
import { arp, broadcast, ethernet, hex, ipv4, join, mac, station, udp } from './frame.ts'
import { address, GATEWAY, type Stand } from './stand.ts'

const nobody = '00:00:00:00:00:00'

/** A request or reply as the station `from` sends it. */
export function says(
  operation: number,
  from: number,
  sender: string,
  target: string,
  { to = broadcast, hardware = station(from), knows = nobody } = {},
): Uint8Array {
  return ethernet(to, station(from), 0x0806, arp(operation, [hardware, sender], [knows, target]))
}

/** A reply to the gateway. */
export function answers(from: number, sender: string): Uint8Array {
  return says(2, from, sender, GATEWAY.address, { to: GATEWAY.mac, knows: GATEWAY.mac })
}

/** The gateway's reply to a station's request for `sender`. */
export function replies(to: number, sender: string, target: string): string {
  const body = arp(2, [GATEWAY.mac, sender], [station(to), target])
  return hex([ethernet(station(to), GATEWAY.mac, 0x0806, body)])[0]
}

/** The gateway's question to everybody; its own address as `target` is an announcement. */
export function asksEverybody(target: string): string {
  const body = arp(1, [GATEWAY.mac, GATEWAY.address], [nobody, target])
  return hex([ethernet(broadcast, GATEWAY.mac, 0x0806, body)])[0]
}

/** The gateway's question to a station that it knows. */
export function asks(to: number, target: string): string {
  const body = arp(1, [GATEWAY.mac, GATEWAY.address], [station(to), target])
  return hex([ethernet(station(to), GATEWAY.mac, 0x0806, body)])[0]
}

/** What the ports were given, as text by port. */
export function out(stand: Stand): Record<number, string[]> {
  const found: Record<number, string[]> = {}
  for (const { port, frame } of stand.out()) {
    found[port] ??= []
    found[port].push(...hex([frame]))
  }
  return found
}

/** The state of a neighbour, 0 if it is unknown. */
export function state(stand: Stand, text: string): number {
  const n = stand.neighbours.find(1, address(text))
  return n === 0 ? 0 : stand.neighbours.state(n)
}

function packet(to: string, from: number): Uint8Array {
  const body = ipv4({ source: `10.7.0.${10 + from}`, destination: to, protocol: 17 }, udp(1, 2, [1, 2, 3]))
  return ethernet(GATEWAY.mac, station(from), 0x0800, body)
}

/** A packet of station `from`, behind the port of that number, for a neighbour that nobody knows. */
export function keep(stand: Stand, to: string, now: number, from = 1): number {
  const placed = stand.place(from, packet(to, from))
  placed.read(stand.arena.view)
  const kept = stand.hold.keep(stand.link, address(to), placed, 0, now)
  if (kept !== TAKEN) stand.pool.give(placed.frame)
  return kept
}

/** That packet as the station `behind` gets it. */
export function delivered(to: string, from: number, behind: number): string {
  return hex([join(mac(station(behind)), mac(GATEWAY.mac), packet(to, from).subarray(12))])[0]
}
