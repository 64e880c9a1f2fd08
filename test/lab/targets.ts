/** Targets at random, such as their table and chain allow; addresses and ports are chosen so that the kernel has no choice of its own. */
import { MARKS, type Place, services } from './matches.ts'
import type { Random } from './random.ts'

/** A target, and what the rule must ask for before it. */
export interface Written {
  text: string
  needs?: string
}

const rejections = [
  ...['icmp-net-unreachable', 'icmp-host-unreachable', 'icmp-port-unreachable', 'icmp-proto-unreachable'],
  ...['icmp-net-prohibited', 'icmp-host-prohibited', 'icmp-admin-prohibited', 'tcp-reset'],
]
const inside = ['10.0.0.11', '10.0.0.12', '10.0.0.13', '10.0.0.14']
const outside = ['203.0.113.5', '203.0.113.6', '192.0.2.7']
const SYN = '-p tcp -m tcp --tcp-flags SYN,RST SYN'
const log = [
  'LOG --log-prefix "seen: "',
  'LOG --log-level 4 --log-tcp-options',
  'LOG',
  'NFLOG --nflog-group 3',
]

const hasPorts = ({ protocol }: Place) => protocol === 'tcp' || protocol === 'udp'

function mark(random: Random): string {
  const way = random.of(['set-mark', 'set-xmark', 'or-mark', 'and-mark', 'xor-mark'])
  return `MARK --${way} ${random.of(MARKS.filter((each) => way.startsWith('set') || !each.includes('/')))}`
}

function connmark(random: Random): string {
  const masks = random.of(['', ' --nfmask 0xff --ctmask 0xff', ' --nfmask 0xffff --ctmask 0xff'])
  return random.of([
    `CONNMARK --set-xmark ${random.of(MARKS)}`,
    `CONNMARK --set-mark ${random.of(MARKS)}`,
    `CONNMARK --save-mark${masks}`,
    `CONNMARK --restore-mark${masks}`,
    `CONNMARK --${random.of(['or', 'and', 'xor'])}-mark 0x5`,
  ])
}

function set(random: Random): string {
  const name = random.of(['addresses', 'pairs', 'timed', 'numbers'])
  const side = random.of(['src', 'dst'])
  const way = name === 'pairs' ? `${side},${random.of(['src', 'dst'])}` : side
  if (random.once(3)) return `SET --del-set ${name} ${way}`
  return `SET --add-set ${name} ${way}${random.of(['', ' --exist'])}`
}

function dnat(random: Random, place: Place): Written {
  const to = random.of(random.once(4) ? outside : inside)
  if (!hasPorts(place) || random.once(2)) return { text: `DNAT --to-destination ${to}` }
  return { text: `DNAT --to-destination ${to}:${random.of(services)}` }
}

function snat(random: Random): Written {
  const to = random.of(['198.51.100.2', '198.51.100.3', '192.0.2.50'])
  return { text: `SNAT --to-source ${to}${random.of(['', '', ' --persistent'])}`, needs: '-o wan' }
}

function nat(random: Random, place: Place): Written {
  const { hook } = place
  const dice = random.below(10)
  if (dice < 1) return { text: 'RETURN' }
  if (dice < 2) return { text: 'ACCEPT' }
  if (dice < 3) return { text: random.of([mark(random), connmark(random), ...log]) }
  if (hook === 'PREROUTING') {
    if (dice < 8) return dnat(random, place)
    if (dice < 9) return { text: 'NETMAP --to 10.0.0.0/24', needs: '-i wan -d 192.0.2.0/24' }
    if (!hasPorts(place)) return { text: 'REDIRECT', needs: '-i lan' }
    return { text: `REDIRECT --to-ports ${random.of(services)}`, needs: `-i lan -p ${place.protocol}` }
  }
  if (hook === 'POSTROUTING') {
    if (dice < 6) return { text: 'MASQUERADE', needs: random.of(['-o wan', '-o wan', '-s 10.0.0.0/24']) }
    if (dice < 9) return snat(random)
    return { text: 'NETMAP --to 192.0.2.0/24', needs: '-o wan -s 10.0.0.0/24' }
  }
  return { text: random.of(['ACCEPT', 'RETURN']) }
}

function raw(random: Random): Written {
  const targets = [
    'ACCEPT',
    'RETURN',
    'CT --notrack',
    'NOTRACK',
    'CT --zone 5',
    'CT --zone 5',
    'TRACE',
    'ACCEPT',
    'DROP',
  ]
  return { text: random.of([...targets, mark(random), ...log]) }
}

function mangle(random: Random): Written {
  const dice = random.below(20)
  if (dice < 6) return { text: mark(random) }
  if (dice < 11) return { text: connmark(random) }
  if (dice < 12) return { text: `TTL --ttl-${random.of(['set 5', 'set 64', 'inc 1', 'dec 1', 'dec 3'])}` }
  if (dice < 13) {
    const ways = ['set-tos 0x10', 'set-tos 0x08/0x3f', 'and-tos 0xfc', 'or-tos 0x02', 'xor-tos 0x10']
    return { text: `TOS --${random.of(ways)}` }
  }
  if (dice < 14)
    return { text: `DSCP --${random.of(['set-dscp 0x02', 'set-dscp-class EF', 'set-dscp 0x00'])}` }
  if (dice < 15) return { text: `TCPMSS --${random.of(['set-mss 900', 'set-mss 1200'])}`, needs: SYN }
  if (dice < 16) return { text: set(random) }
  return { text: random.of(['ACCEPT', 'RETURN', 'DROP', ...log]) }
}

function filter(random: Random, place: Place): Written {
  const dice = random.below(20)
  if (dice < 8) return { text: 'ACCEPT' }
  if (dice < 11) return { text: 'DROP' }
  if (dice < 14) {
    const type = random.of(rejections)
    if (type !== 'tcp-reset') return { text: `REJECT --reject-with ${type}` }
    return place.protocol === 'tcp' ? { text: `REJECT --reject-with ${type}` } : { text: 'REJECT' }
  }
  if (dice < 15) return { text: 'RETURN' }
  if (dice < 16) return { text: random.of(log) }
  if (dice < 18) return { text: set(random) }
  return { text: random.of([mark(random), connmark(random)]) }
}

/** Words behind -j. */
export function target(random: Random, place: Place): Written {
  if (random.once(25)) return { text: '' }
  if (place.table === 'raw') return raw(random)
  if (place.table === 'mangle') return mangle(random)
  return place.table === 'nat' ? nat(random, place) : filter(random, place)
}
