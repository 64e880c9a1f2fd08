/** The uplink `host` for control: a free subnet for a link, and what to say when the host does not let us. */

import type { Failure } from '../port/device.ts'
import { addresses } from '../port/host.ts'
import { destinations, type Prefix } from '../port/route.ts'
import { type Cidr, cidr, ipv4Text, overlap } from './address.ts'
import type { Configuration } from './configuration.ts'
import { Refusal } from './refusal.ts'

/** RFC 6598: addresses for links of a carrier, which no LAN of a customer has. */
const SPACE = cidr('100.64.0.0/10') as Cidr
const LINK_PREFIX = 30

/** The first /30 of 100.64.0.0/10 that overlaps neither `taken` nor an address or a route of the host; throws a Refusal if there is none. */
export function chooseLink(taken: Prefix[]): Cidr {
  const hosts = addresses().map(({ address }) => cidr(`${address}/32`) as Cidr)
  const busy: Cidr[] = [...taken, ...hosts, ...destinations()].map((each) => ({ text: '', ...each }))
  const count = 2 ** (LINK_PREFIX - SPACE.prefix)
  for (let index = 0; index < count; index++) {
    const link = cidr(`${ipv4Text(SPACE.address + index * 4)}/${LINK_PREFIX}`) as Cidr
    const other = busy.find((each) => overlap(each, link))
    if (other === undefined) return link
    // A wide route covers many links: go on behind it.
    if (other.prefix <= SPACE.prefix) break
    if (other.prefix < LINK_PREFIX) {
      const end = (other.address & (-1 << (32 - other.prefix))) + 2 ** (32 - other.prefix)
      index = ((end - SPACE.address) >>> 2) - 1
    }
  }
  throw new Refusal(
    'uplink host',
    `the host has routes to all of ${SPACE.text}`,
    'write a free subnet: uplink: { host: { link: 192.168.255.0/30 } }',
  )
}

/** The host's end of a link, which its interface has, and ours. */
export function endsOf({ address, prefix }: Cidr): { host: number; own: number } {
  const base = address & (-1 << (32 - prefix))
  return prefix === 31 ? { host: base, own: base + 1 } : { host: base + 1, own: base + 2 }
}

/** Cards whose own MAC stands for guests on the air: the host gets the packets for those too. */
export function sharedCards({ ports }: Configuration): string[] {
  const all = [...ports.values()]
  return all.flatMap(({ type, ifname, macTranslation }) => (type === 'nic' && macTranslation ? [ifname] : []))
}

/** Why the host's side of an uplink could not be made, and what to do. */
export function explain(error: Error): Error {
  const { code, syscall, path } = error as Failure
  if (syscall === 'netlink' && ['EOPNOTSUPP', 'EPROTONOSUPPORT', 'ENOENT'].includes(code))
    return new Refusal(
      'nf_tables',
      'the kernel has none: it translates guests to the host’s address and keeps host-only networks closed',
      'load it (modprobe nf_tables nft_masq nft_chain_nat)',
    )
  if (syscall === 'netlink' && code === 'EEXIST')
    return new Refusal('uplink host', `${error.message}: the host has such a route already`, 'remove it')
  if (syscall === 'netlink' && code === 'EPERM')
    return new Refusal('uplink host', `${error.message}: not permitted`, 'run as root (sudo bridgeport up)')
  if (code === 'EROFS' || code === 'EACCES' || code === 'EPERM')
    return new Refusal(
      'uplink host',
      `${path ?? error.message}: ${code === 'EROFS' ? 'the file system is read-only' : 'not permitted'}`,
      'run as root with /proc/sys writable, or set it to 1 yourself',
    )
  return new Refusal('uplink host', error.message, 'see bridgeport doctor')
}
