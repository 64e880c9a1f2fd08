/** Matches and targets on their way through the whole gateway, beside the kernel's: what leaves, what is counted, which flows there are. */
import { beforeAll, expect, it } from 'vitest'
import { Gate } from '../lab/gate.ts'
import { Kernel, type Parcel, ROUTER } from '../lab/kernel.ts'
import { suite } from '../lab/peer.ts'
import { ACK, query, SYN, tcp, udp } from '../lab/transport.ts'
import { compare, run, told } from '../lab/trial.ts'

const WORLD = '203.0.113.5'
const guest = (n: number, port: number) => `10.0.0.${11 + n}:${port}`
let ports = 30_000

/** A first packet of a guest's with everything that matches look at. */
function first(n: number, to: string, shape: object): Parcel {
  return { station: n, packet: udp(guest(n, ports++), to, shape) }
}

/**
 * What rules of the nat table have translated is answered to other addresses than these: the kernel would draw a port for them. And an error
 * of the gateway's about a translated packet bears the address that the packet was for in the kernel, the gateway's own here.
 */
const isPlain = ({ station, packet }: Parcel) =>
  packet[8] > 1 && (station !== ROUTER || ![77, 40_000].includes((packet[22] << 8) | packet[23]))

function parcels(): Parcel[] {
  // At an even place: the kernel's sum goes wrong where the option lies across two words.
  const size = [2, 4, 0x05, 0x78]
  const options = [
    [],
    size,
    [1, 1, ...size, 1, 1],
    [3, 3, 7, 0],
    Array.from({ length: 40 }, () => 1),
    [2, 4, 1, 0],
  ]
  const syns = options.flatMap((each) =>
    [[], [1, 2, 3]].map((payload) => {
      const packet = tcp(guest(0, ports++), `${WORLD}:80`, SYN, { options: each, payload })
      return { station: 0, packet }
    }),
  )
  const hops = [1, 2, 3, 64, 255].flatMap((ttl) => [
    first(1, `${WORLD}:53`, { ttl }),
    first(1, '10.0.0.1:53', { ttl }),
  ])
  const services = [0, 0x10, 0xb8, 0xff, 0x03].map((tos) => first(2, `${WORLD}:53`, { tos }))
  const lengths = [0, 1, 72, 500].map((length) =>
    first(3, `${WORLD}:5000`, { payload: new Uint8Array(length) }),
  )
  const inward = [ROUTER].flatMap((station) => [
    { station, packet: udp(`${WORLD}:53`, guest(1, 4000)) },
    { station, packet: tcp(`${WORLD}:5000`, guest(2, 22), SYN, { options: size }) },
  ])
  // A conversation: the guest asks twice, the world answers in between, then marks may be restored.
  const talk = [
    { station: 0, packet: udp(guest(0, 40_000), `${WORLD}:80`) },
    { station: ROUTER, packet: udp(`${WORLD}:80`, guest(0, 40_000)) },
    { station: 0, packet: udp(guest(0, 40_000), `${WORLD}:80`) },
    { station: 0, packet: query(guest(0, 77), `${WORLD}:0`) },
    { station: ROUTER, packet: query(`${WORLD}:0`, guest(0, 77), 0) },
    { station: 1, packet: tcp(guest(1, 40_001), `${WORLD}:80`, ACK) },
  ]
  return [...syns, ...hops, ...services, ...lengths, ...inward, ...talk]
}

/** Rules that go together: `table chain rule`. */
const cases: Record<string, string[]> = {
  'TTL up': ['mangle PREROUTING -j TTL --ttl-inc 1'],
  'TTL down': ['mangle PREROUTING -j TTL --ttl-dec 2'],
  'TTL set': ['mangle POSTROUTING -j TTL --ttl-set 0', 'mangle INPUT -m ttl --ttl-lt 3 -j DROP'],
  'ttl behind routing': ['mangle FORWARD -m ttl --ttl-eq 63', 'mangle PREROUTING -m ttl ! --ttl-eq 64'],
  TOS: ['mangle FORWARD -j TOS --set-tos 0x10/0x3f', 'mangle POSTROUTING -j TOS --xor-tos 0x0f'],
  'TOS and tos': [
    'mangle PREROUTING -m tos --tos 0xb8 -j TOS --and-tos 0x0f',
    'filter FORWARD -m tos --tos 0x08',
  ],
  DSCP: [
    'mangle FORWARD -j DSCP --set-dscp-class AF41',
    'filter FORWARD -m dscp --dscp-class AF41 -m ecn --ecn-ip-ect 3',
  ],
  'TCPMSS set': ['mangle FORWARD -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --set-mss 500'],
  'TCPMSS more': [
    'mangle PREROUTING -p tcp --syn -j TCPMSS --set-mss 1300',
    'mangle FORWARD -p tcp --syn -m length --length 44',
  ],
  'TCPMSS clamp': [
    'mangle FORWARD -p tcp --syn -j TCPMSS --clamp-mss-to-pmtu',
    'filter FORWARD -p tcp -m tcpmss --mss 536:1359',
  ],
  tcpmss: [
    'filter FORWARD -p tcp -m tcpmss ! --mss 1000:1400 -j DROP',
    'filter FORWARD -p tcp -m tcpmss --mss 256',
  ],
  MARK: [
    'raw PREROUTING -s 10.0.0.12 -j MARK --set-mark 0x12',
    'mangle FORWARD -m mark --mark 0x12 -j MARK --or-mark 0x100',
    'filter FORWARD -m mark --mark 0x112 -j DROP',
  ],
  CONNMARK: [
    'mangle PREROUTING -j CONNMARK --restore-mark',
    'mangle PREROUTING -m mark --mark 0x5',
    'mangle FORWARD -p udp --dport 80 -j MARK --set-mark 5',
    'mangle POSTROUTING -j CONNMARK --save-mark --nfmask 0xf --ctmask 0xff',
    'filter FORWARD -m connmark --mark 5',
  ],
  'CONNMARK in raw': ['raw PREROUTING -j CONNMARK --set-mark 7', 'filter FORWARD -m connmark ! --mark 0'],
  NOTRACK: ['raw PREROUTING -p udp -j NOTRACK', 'filter FORWARD -m conntrack --ctstate UNTRACKED'],
  'CT first': [
    'raw PREROUTING -j CT',
    'raw PREROUTING -j CT --notrack',
    'filter FORWARD -m conntrack --ctstate UNTRACKED',
  ],
  'CT zone': ['raw PREROUTING -s 10.0.0.11 -j CT --zone 3', 'raw PREROUTING -d 10.0.0.11 -j CT --zone 3'],
  'CT untracked and CONNMARK': [
    'raw PREROUTING -p udp -j CT --notrack',
    'mangle FORWARD -p udp -j CONNMARK --restore-mark',
    'filter FORWARD -m connmark ! --mark 3',
  ],
  SNAT: ['nat POSTROUTING -o wan -j SNAT --to-source 198.51.100.2'],
  'SNAT port': ['nat POSTROUTING -p udp -s 10.0.0.12 -j SNAT --to-source 198.51.100.77:20000-65000'],
  MASQUERADE: ['nat POSTROUTING -o wan -j MASQUERADE', 'nat POSTROUTING -o lan -p udp -j MASQUERADE'],
  DNAT: ['nat PREROUTING -p udp --dport 53 -j DNAT --to-destination 203.0.113.6:5353'],
  'DNAT shift': ['nat PREROUTING -p tcp --dport 80 -j DNAT --to-destination 203.0.113.6:1000-1010/75'],
  REDIRECT: [
    'nat PREROUTING -i lan -p udp -j REDIRECT --to-ports 9',
    'filter INPUT -p udp --dport 9 -j DROP',
  ],
  'NETMAP there': ['nat PREROUTING -d 203.0.113.0/24 -j NETMAP --to 192.0.2.128/25'],
  'NETMAP back': ['nat POSTROUTING -s 10.0.0.0/24 -j NETMAP --to 192.0.2.0/24'],
  addrtype: [
    'filter INPUT -m addrtype --dst-type LOCAL --limit-iface-in -j DROP',
    'filter FORWARD -m addrtype --dst-type UNICAST ! --src-type LOCAL',
    'raw PREROUTING -m addrtype --dst-type LOCAL',
  ],
  pkttype: ['filter FORWARD -m pkttype --pkt-type unicast -j DROP'],
  physdev: [
    'filter FORWARD -m physdev ! --physdev-is-in',
    'filter FORWARD -m physdev --physdev-in lan -j DROP',
  ],
  rpfilter: ['raw PREROUTING -m rpfilter', 'mangle PREROUTING -m rpfilter --invert -j DROP'],
  'rpfilter loose': [
    'raw PREROUTING -m rpfilter --loose --accept-local',
    'raw PREROUTING -m rpfilter --loose --invert',
  ],
  length: ['filter FORWARD -m length --length 28:100', 'filter FORWARD -m length ! --length 29 -j DROP'],
  ecn: [
    'filter FORWARD -p tcp -m ecn ! --ecn-tcp-ece ! --ecn-tcp-cwr --ecn-ip-ect 0',
    'filter FORWARD -m ecn --ecn-ip-ect 3 -j DROP',
  ],
  SET: [
    'mangle PREROUTING -p udp -j SET --add-set seen src --exist',
    'mangle FORWARD -m set --match-set seen src',
    'mangle POSTROUTING -s 10.0.0.13 -j SET --add-set pairs dst,src --del-set seen src',
    'filter FORWARD -m set ! --match-set pairs dst,src',
  ],
}

const sets = 'create seen hash:ip\ncreate pairs hash:ip,port\n'
const bases = {
  raw: ['PREROUTING', 'OUTPUT'],
  mangle: ['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING'],
  nat: ['PREROUTING', 'INPUT', 'OUTPUT', 'POSTROUTING'],
  filter: ['INPUT', 'FORWARD', 'OUTPUT'],
}

function written(lines: string[], sets: string) {
  const chains = Object.entries(bases).flatMap(([table, names]) =>
    names.map((name) => ({ table, name, policy: 'ACCEPT' })),
  )
  const split = lines.map((line) => {
    const [table, chain, ...words] = line.split(' ')
    return { table, chain, text: words.join(' ') }
  })
  return { sets, chains, lines: split } as never
}

suite('through the gateway and through the kernel', ['iptables-legacy', 'nft', 'conntrack', 'ipset'], () => {
  let kernel: Kernel
  let gate: Gate
  beforeAll(() => {
    kernel = new Kernel()
    gate = new Gate()
  })

  it.each(Object.keys(cases))('%s', (name) => {
    const rules = written(cases[name], name === 'SET' ? sets : '')
    const translates = cases[name].some((rule) => rule.startsWith('nat'))
    const packets = parcels().filter((each) => !translates || isPlain(each))
    const theirs = run(kernel, rules, packets)
    const difference = compare(theirs, run(gate, rules, packets))
    expect(
      difference && { ...difference, packet: difference.at < 0 ? '' : told(packets[difference.at]) },
    ).toBeNull()
  })
})
