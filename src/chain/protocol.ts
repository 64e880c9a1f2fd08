/** Names of protocols and ports. */
import { readFileSync } from 'node:fs'
import { Wrong } from './extension.ts'
import { read } from './number.ts'

export const ICMP = 1
export const TCP = 6
export const UDP = 17
export const DCCP = 33
export const SCTP = 132
export const UDPLITE = 136

/** IANA's keywords as Debian's /etc/protocols writes them, so that every machine reads and prints the same. */
const NAMES = `hopopt 0 icmp 1 igmp 2 ggp 3 ipencap 4 st 5 tcp 6 egp 8 igp 9 pup 12 udp 17 hmp 20 xns-idp 22 rdp 27 iso-tp4 29 dccp 33
xtp 36 ddp 37 idpr-cmtp 38 ipv6 41 ipv6-route 43 ipv6-frag 44 idrp 45 rsvp 46 gre 47 esp 50 ah 51 skip 57 ipv6-icmp 58 ipv6-nonxt 59
ipv6-opts 60 rspf 73 vmtp 81 eigrp 88 ospf 89 ax.25 93 ipip 94 etherip 97 encap 98 pim 103 ipcomp 108 vrrp 112 l2tp 115 isis 124
sctp 132 fc 133 mobility-header 135 udplite 136 mpls-in-ip 137 manet 138 hip 139 shim6 140 wesp 141 rohc 142 ethernet 143`
/** Names that are read but not printed: iptables' own, and a second word for one thing. */
const ALIASES = 'all 0 ip 0 icmpv6 58 ipv6-mh 135 mh 135'

const numbers = new Map<string, number>()
const names = new Map<number, string>()
enter(NAMES, true)
enter(ALIASES, false)

function enter(list: string, printed: boolean): void {
  const words = list.split(/\s+/)
  for (let i = 0; i < words.length; i += 2) {
    numbers.set(words[i], Number(words[i + 1]))
    if (printed) names.set(Number(words[i + 1]), words[i])
  }
}

/** Number of a protocol, written as a name or a number. */
export function parseProtocol(text: string, word = 1): number {
  const number = numbers.get(text.toLowerCase()) ?? read(text)
  if (number >= 0 && number <= 255) return number
  throw new Wrong('is no protocol', word)
}

/** The name that iptables-save prints, or the number. */
export function printProtocol(protocol: number): string {
  return names.get(protocol) ?? String(protocol)
}

let services: Map<string, number> | undefined

/** Ports by name as /etc/services has them; a name means the same for every protocol that has it. */
function service(name: string): number | undefined {
  services ??= readServices()
  return services.get(name)
}

function readServices(): Map<string, number> {
  const found = new Map<string, number>()
  let text = ''
  try {
    text = readFileSync('/etc/services', 'utf8')
  } catch {
    // Without the file numbers are all that is understood.
  }
  for (const line of text.split('\n')) {
    const [name, port, ...aliases] = line.replace(/#.*/, '').trim().split(/\s+/)
    for (const each of port ? [name, ...aliases] : []) {
      if (!found.has(each)) found.set(each, Number.parseInt(port, 10))
    }
  }
  return found
}

/** A port, written as a number or as a name of /etc/services. */
export function parsePort(text: string, word = 1): number {
  const port = /^\d/.test(text) ? read(text) : (service(text) ?? Number.NaN)
  if (port >= 0 && port <= 65_535) return port
  throw new Wrong('is no port from 0 to 65535', word)
}

/** `first[:last]`, an empty half being 0 or 65535. */
export function parsePorts(text: string, word = 1): [number, number] {
  const [low, high, more] = text.split(':')
  if (more !== undefined) throw new Wrong('has more than two ports', word)
  if (high === undefined) return [parsePort(low, word), parsePort(low, word)]
  const first = low === '' ? 0 : parsePort(low, word)
  const last = high === '' ? 65_535 : parsePort(high, word)
  if (first > last) throw new Wrong('ends before it begins', word)
  return [first, last]
}

export function printPorts([first, last]: readonly [number, number]): string {
  return first === last ? String(first) : `${first}:${last}`
}
