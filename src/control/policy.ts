/**
 * Whether the host's firewall lets the links of an uplink through. No rule of the host is touched: what blocks a link is named, with
 * the command that opens it, in the words of whoever made the rules (ufw, firewalld, Docker, iptables or nft).
 */
import * as device from '../port/device.ts'
import * as filter from '../port/filter.ts'
import { addresses } from '../port/host.ts'
import * as legacy from '../port/legacy.ts'
import { egresses } from '../port/route.ts'
import { ipv4 } from './address.ts'
import type { Configuration } from './configuration.ts'
import { hasHostLink, uplinkIfname } from './wiring.ts'

/** A link that the host's firewall blocks. */
export interface Blockage {
  ifname: string
  text: string
  remedy: string
}

/** The way out of a link, the way back, and, where the network is routed, the way in. */
function ways(ifname: string, egress: string, routed: boolean): filter.Way[] {
  const any = { source: 0, destination: 0 }
  const way = (from: string, to: string, established: boolean) => ({
    ...any,
    ingress: from,
    egress: to,
    established,
  })
  const there = way(ifname, egress, false)
  const back = way(egress, ifname, true)
  return routed ? [there, back, way(egress, ifname, false)] : [there, back]
}

function firewall({ family, table, chain, chains }: filter.Stop): string {
  if (table === 'firewalld') return 'firewalld'
  if (chains.some((each) => each.startsWith('ufw-'))) return 'ufw'
  if (chains.includes('DOCKER-USER')) return 'Docker'
  const isTables = table === 'filter' && chain === 'FORWARD' && family !== 'inet'
  return isTables ? 'iptables' : 'nftables'
}

const REPLIES = '-m conntrack --ctstate RELATED,ESTABLISHED '

/** The command that lets a link pass where `stop` blocks it. */
function opening(stop: filter.Stop, ifname: string, routed: boolean): string {
  const program = stop.family === 'legacy' ? 'iptables-legacy' : 'iptables-nft'
  const tables = (chain: string) =>
    [`-I ${chain} -i ${ifname} -j ACCEPT`, `-I ${chain} -o ${ifname} ${routed ? '' : REPLIES}-j ACCEPT`]
      .map((rule) => `${program} ${rule}`)
      .join(' && ')
  const who = firewall(stop)
  if (who === 'firewalld') return `firewall-cmd --zone=trusted --add-interface=${ifname}`
  if (who === 'ufw')
    return `ufw route allow in on ${ifname}${routed ? ` && ufw route allow out on ${ifname}` : ''}`
  if (who === 'Docker') return tables('DOCKER-USER')
  if (who === 'iptables') return tables('FORWARD')
  const place = `${stop.family} ${stop.table} ${stop.chain}`
  const back = routed ? '' : ' ct state established,related'
  return `nft 'insert rule ${place} iifname ${ifname} accept; insert rule ${place} oifname ${ifname}${back} accept'`
}

/** What blocks one link; each chain of the host is told once. Throws a NativeError. */
export function blockages(ifname: string, routed: boolean): Blockage[] {
  const result = new Map<string, Blockage>()
  const source = ipv4(addresses().find((each) => each.ifname === ifname)?.address ?? '') ?? 0
  // Behind a link with an address, a /30, ours is the one behind the host's.
  const own = source === 0 ? 0 : source + 1
  for (const { ifname: egress } of egresses())
    for (const way of ways(ifname, egress, routed)) {
      const known =
        routed || own === 0
          ? way
          : way.ingress === ifname
            ? { ...way, source: own }
            : { ...way, destination: own }
      for (const stop of [...filter.stops(known), ...legacy.stops(known)]) {
        const place = `${stop.family} ${stop.table} ${stop.chain}`
        if (result.has(place)) continue
        const what = way.established
          ? 'the answers'
          : way.ingress === ifname
            ? 'what leaves'
            : 'what comes in'
        const text = `the host's firewall (${firewall(stop)}, chain ${stop.chain}) drops ${what} between ${ifname} and ${egress}`
        result.set(place, { ifname, text, remedy: opening(stop, ifname, routed) })
      }
    }
  return [...result.values()]
}

/** What blocks the links of a configuration. Throws a NativeError. */
export function blocked({ networks }: Configuration): Blockage[] {
  return [...networks.values()]
    .filter(hasHostLink)
    .flatMap((each) => blockages(uplinkIfname(each), each.mode === 'routed'))
}

/** Cards that a configuration needs. */
export function cards({ networks, ports }: Configuration): string[] {
  const uplinks = [...networks.values()].flatMap(({ uplink }) =>
    uplink.kind === 'nic' ? [uplink.device] : [],
  )
  const own = [...ports.values()].flatMap(({ type, ifname }) => (type === 'nic' ? [ifname] : []))
  return [...new Set([...uplinks, ...own])]
}

/** What keeps a card from carrying frames, with what to do about it; null if nothing does. */
export function ailment(ifname: string): { text: string; remedy: string } | null {
  switch (device.cardState(ifname)) {
    case 'absent':
      return { text: `this machine has no card ${ifname}`, remedy: 'see ip link for those it has' }
    case 'down':
      return { text: `${ifname} is down`, remedy: `run: ip link set ${ifname} up` }
    case 'unplugged':
      return { text: `${ifname} has no carrier`, remedy: 'plug in its cable or join its network' }
    default:
      return null
  }
}

/** Rules are IPv4: who filters inside a network should know what is not filtered. */
function unfiltered({ networks }: Configuration): string[] {
  return [...networks.values()].flatMap(({ name, filterBridged }) =>
    filterBridged ? [`networks.${name}.filterBridged: IPv6 inside the network passes unfiltered`] : [],
  )
}

/** What a running switch should say of the host around it, a line each; what cannot be read is not told. */
export function warnings(configuration: Configuration): string[] {
  const ill = cards(configuration).flatMap((ifname) => ailment(ifname) ?? [])
  const lines = [...ill.map(({ text, remedy }) => `${text}; ${remedy}`), ...unfiltered(configuration)]
  try {
    return [...lines, ...blocked(configuration).map(({ text, remedy }) => `${text}; run: ${remedy}`)]
  } catch {
    return lines
  }
}
