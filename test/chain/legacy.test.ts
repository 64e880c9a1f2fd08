/** What iptables-legacy of this machine makes of a rule, and what we make of it: the same text, or both refuse it. */
import { beforeAll, expect, it } from 'vitest'
import { Misread, restore } from '../../src/chain/restore.ts'
import { Legacy } from '../lab/legacy.ts'
import { suite } from '../lab/peer.ts'

/** Rules by table, with all ways that their options can be written. */
const right: Record<string, string[]> = {
  raw: [
    ...['NOTRACK', 'CT', 'CT --notrack', 'CT --zone 0', 'CT --zone 0x10', 'CT --notrack --zone 255'].map(
      (target) => `-A PREROUTING -j ${target}`,
    ),
    '-A PREROUTING -m rpfilter',
    '-A PREROUTING -m rpfilter --invert --accept-local --validmark --loose -j DROP',
    '-A OUTPUT -j MARK --set-mark 5',
    '-A PREROUTING -j CONNMARK --restore-mark',
  ],
  mangle: [
    ...['1', '0x10/0xff', '010', '1/2', '0xffffffff/0', '0/0'].flatMap((mark) => [
      `-A FORWARD -j MARK --set-mark ${mark}`,
      `-A FORWARD -j MARK --set-xmark ${mark}`,
      `-A FORWARD -j CONNMARK --set-mark ${mark}`,
      `-A FORWARD -j CONNMARK --set-xmark ${mark}`,
    ]),
    ...['and', 'or', 'xor'].flatMap((how) => [
      `-A FORWARD -j MARK --${how}-mark 0xf0`,
      `-A FORWARD -j CONNMARK --${how}-mark 255`,
      `-A FORWARD -j TOS --${how}-tos 0xf0`,
    ]),
    ...['save', 'restore'].flatMap((what) =>
      ['', ' --mask 0xff', ' --nfmask 1', ' --ctmask 2', ' --ctmask 0x3 --nfmask 4'].map(
        (mask) => `-A PREROUTING -j CONNMARK --${what}-mark${mask}`,
      ),
    ),
    ...['8', '0x10/0x3f', '0', '255/1', 'Minimize-Delay', 'normal-service', 'Maximize-Throughput'].flatMap(
      (tos) => [
        `-A FORWARD -j TOS --set-tos ${tos}`,
        `-A FORWARD -m tos --tos ${tos}`,
        `-A FORWARD -m tos ! --tos ${tos}`,
      ],
    ),
    ...['0', '0x3f', '46'].flatMap((dscp) => [
      `-A FORWARD -j DSCP --set-dscp ${dscp}`,
      `-A FORWARD -m dscp ! --dscp ${dscp} -j ACCEPT`,
    ]),
    ...['BE', 'ef', 'CS0', 'cs7', 'AF11', 'AF43', 'af22'].flatMap((name) => [
      `-A POSTROUTING -j DSCP --set-dscp-class ${name}`,
      `-A POSTROUTING -m dscp --dscp-class ${name}`,
    ]),
    ...['set 0', 'set 255', 'dec 1', 'inc 0xff'].map((ttl) => `-A PREROUTING -j TTL --ttl-${ttl}`),
    '-A FORWARD -p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu',
    '-A FORWARD -p tcp -m tcp --syn -j TCPMSS --set-mss 1400',
    '-A INPUT -p tcp -m tcp --tcp-flags ALL SYN,ACK -j TCPMSS --set-mss 65515',
  ],
  nat: [
    '-A PREROUTING -j DNAT --to-destination 10.0.0.1',
    '-A PREROUTING -j DNAT --to-destination 10.0.0.1-10.0.0.9 --persistent',
    '-A PREROUTING -p tcp -j DNAT --to-destination 10.0.0.1:80',
    '-A PREROUTING -p udp -j DNAT --to-destination 10.0.0.1:http --random',
    '-A PREROUTING -p udp -j DNAT --to-destination :http-alt',
    '-A OUTPUT -p tcp -j DNAT --to-destination 10.0.0.1-10.0.0.3:0x50-90 --persistent --random',
    '-A PREROUTING -p tcp -j DNAT --to-destination 10.0.0.1:8000-8100/9000',
    '-A PREROUTING -p sctp -j DNAT --to-destination :1-2/3',
    '-A PREROUTING -p tcp -j REDIRECT',
    '-A PREROUTING -p tcp -j REDIRECT --to-ports 8080 --random',
    '-A OUTPUT -p dccp -j REDIRECT --to-ports 8080-8090',
    '-A PREROUTING -j NETMAP --to 10.1.2.3/16',
    '-A POSTROUTING -j NETMAP --to 10.1.2.3',
    '-A OUTPUT -j NETMAP --to 10.1.2.3/255.255.255.0',
    '-A POSTROUTING -j SNAT --to-source 192.0.2.1',
    '-A POSTROUTING -p tcp -j SNAT --to-source 192.0.2.1-192.0.2.7:1024-65535 --random-fully --persistent --random',
    '-A POSTROUTING -p icmp -j SNAT --to-source :100-200',
    '-A POSTROUTING -j MASQUERADE',
    '-A POSTROUTING -p udp -j MASQUERADE --to-ports 5000 --random-fully',
    '-A POSTROUTING -p udp -j MASQUERADE --to-ports 5000-5100 --random',
  ],
  filter: [
    ...['100', '0:100', ':100', '100:', ':', '5:5'].flatMap((length) => [
      `-A FORWARD -m length --length ${length}`,
      `-A FORWARD -m length ! --length ${length}`,
      `-A FORWARD -p tcp -m tcpmss --mss ${length}`,
      `-A FORWARD -p tcp -m tcpmss ! --mss ${length} -j DROP`,
    ]),
    ...['--ttl-eq 5', '! --ttl-eq 0', '--ttl-lt 0x10', '--ttl-gt 255', '--ttl 4'].map(
      (ttl) => `-A INPUT -m ttl ${ttl}`,
    ),
    '-A FORWARD -m ecn --ecn-ip-ect 2',
    '-A FORWARD -p tcp -m ecn --ecn-ip-ect 0 ! --ecn-tcp-cwr --ecn-tcp-ece',
    '-A FORWARD -p tcp -m ecn --ecn-tcp-cwr ! --ecn-tcp-ece ! --ecn-ip-ect 3',
    '-A FORWARD -m addrtype --src-type LOCAL',
    '-A FORWARD -m addrtype ! --dst-type local,BROADCAST,Multicast --limit-iface-in',
    '-A FORWARD -m addrtype ! --src-type UN --dst-type UNI,X --limit-iface-out',
    ...['unicast', 'broadcast', 'MULTICAST', 'otherhost', 'host', 'bcast', 'mcast'].flatMap((type) => [
      `-A INPUT -m pkttype --pkt-type ${type}`,
      `-A INPUT -m pkttype ! --pkt-type ${type}`,
    ]),
    '-A FORWARD -m physdev --physdev-is-bridged --physdev-out b+ --physdev-is-out --physdev-in a --physdev-is-in',
    '-A FORWARD -m physdev ! --physdev-is-bridged ! --physdev-out b ! --physdev-is-out ! --physdev-in a+',
    '-A FORWARD -m physdev ! --physdev-is-in',
    '-A OUTPUT -m physdev --physdev-is-bridged --physdev-out b',
    '-A FORWARD -m set --match-set addresses src',
    '-A FORWARD -m set ! --match-set pairs src,dst -j DROP',
    '-A FORWARD -m set --match-set addresses dst,dst,src --return-nomatch',
    '-A FORWARD -m set --match-set addresses dst,dst,src,src,dst,src',
    '-A FORWARD -j SET --add-set addresses src',
    '-A FORWARD -j SET --timeout 60 --exist --add-set pairs dst,src --del-set addresses src',
    '-A INPUT -j SET --del-set pairs src,src',
    '-A INPUT -j CONNMARK --save-mark',
  ],
}

/** Rules that iptables refuses, or the kernel; of ours the word that the place is at. */
const wrong: [table: string, rule: string, word: string][] = [
  ['nat', '-A POSTROUTING -j SNAT', 'SNAT'],
  ['nat', '-A POSTROUTING -j SNAT --random', 'SNAT'],
  ['nat', '-A POSTROUTING -j SNAT --to-source 1.2.3.4:80', 'SNAT'],
  ['nat', '-A POSTROUTING -p udplite -j SNAT --to-source 1.2.3.4:80', 'SNAT'],
  ['nat', '-A POSTROUTING -j SNAT --to-source 1.2.3', '1.2.3'],
  ['nat', '-A POSTROUTING -j SNAT --to-source 1.2.3.4-', '1.2.3.4-'],
  ['nat', '-A POSTROUTING -j SNAT --to-source 1.2.3.4 --to-source 1.2.3.5', '--to-source'],
  ['nat', '-A POSTROUTING -p tcp -j SNAT --to-source 1.2.3.4:', '1.2.3.4:'],
  ['nat', '-A POSTROUTING -p tcp -j SNAT --to-source 1.2.3.4:90-80', '1.2.3.4:90-80'],
  ['nat', '-A POSTROUTING -p tcp -j SNAT --to-source 1.2.3.4:80:90', '1.2.3.4:80:90'],
  ['nat', '-A POSTROUTING -p tcp -j MASQUERADE --to-ports 65536', '65536'],
  ['nat', '-A POSTROUTING -p tcp -j MASQUERADE --to-ports nosuch', 'nosuch'],
  ['nat', '-A PREROUTING -p tcp -j DNAT --to-destination 1.2.3.4:80/90', '1.2.3.4:80/90'],
  ['nat', '-A PREROUTING -j DNAT --persistent', 'DNAT'],
  ['nat', '-A PREROUTING -p tcp -j REDIRECT --to-ports 1-9/5', '1-9/5'],
  ['nat', '-A PREROUTING -j REDIRECT --to-ports 80', 'REDIRECT'],
  ['nat', '-A PREROUTING -j NETMAP', 'NETMAP'],
  ['mangle', '-A FORWARD -j MARK', 'MARK'],
  ['mangle', '-A FORWARD -j MARK --set-mark 0x100000000', '0x100000000'],
  ['mangle', '-A FORWARD -j MARK --set-mark -1', '-1'],
  ['mangle', '-A FORWARD -j MARK --set-mark 1/', '1/'],
  ['mangle', '-A FORWARD -j MARK --set-mark 1 --or-mark 2', '--or-mark'],
  ['mangle', '-A FORWARD -j CONNMARK', 'CONNMARK'],
  ['mangle', '-A FORWARD -j CONNMARK --save-mark --restore-mark', '--restore-mark'],
  ['mangle', '-A FORWARD -j CONNMARK --save-mark --mask 2 --nfmask 3', '--nfmask'],
  ['mangle', '-A FORWARD -j TOS', 'TOS'],
  ['mangle', '-A FORWARD -j TOS --set-tos 256', '256'],
  ['mangle', '-A FORWARD -j TOS --set-tos fast', 'fast'],
  ['mangle', '-A FORWARD -j DSCP --set-dscp 64', '64'],
  ['mangle', '-A FORWARD -j DSCP --set-dscp-class AF51', 'AF51'],
  ['mangle', '-A FORWARD -j DSCP --set-dscp 1 --set-dscp-class EF', '--set-dscp-class'],
  ['mangle', '-A FORWARD -j TTL', 'TTL'],
  ['mangle', '-A FORWARD -j TTL --ttl-dec 0', '0'],
  ['mangle', '-A FORWARD -j TTL --ttl-set 256', '256'],
  ['mangle', '-A FORWARD -j TTL --ttl-set 1 --ttl-inc 1', '--ttl-inc'],
  ['mangle', '-A FORWARD -p tcp -m tcp --syn -j TCPMSS', 'TCPMSS'],
  ['mangle', '-A FORWARD -p tcp -m tcp --syn -j TCPMSS --set-mss 65516', '65516'],
  ['mangle', '-A FORWARD -j TCPMSS --set-mss 1400', 'TCPMSS'],
  ['raw', '-A PREROUTING -j CT --zone 65536', '65536'],
  ['raw', '-A PREROUTING -j CT --zone red', 'red'],
  ['filter', '-A FORWARD -m length', 'length'],
  ['filter', '-A FORWARD -m length --length 65536', '65536'],
  ['filter', '-A FORWARD -m length --length 1:2:3', '1:2:3'],
  ['filter', '-A FORWARD -m ttl', 'ttl'],
  ['filter', '-A FORWARD -m ttl --ttl-eq 256', '256'],
  ['filter', '-A FORWARD -m ttl ! --ttl-lt 4', '!'],
  ['filter', '-A FORWARD -m ttl --ttl-lt 4 --ttl-gt 5', '--ttl-gt'],
  ['filter', '-A FORWARD -m tos', 'tos'],
  ['filter', '-A FORWARD -m tos --tos 1/256', '1/256'],
  ['filter', '-A FORWARD -m dscp', 'dscp'],
  ['filter', '-A FORWARD -m dscp --dscp x', 'x'],
  ['filter', '-A FORWARD -m ecn', 'ecn'],
  ['filter', '-A FORWARD -m ecn --ecn-ip-ect 4', '4'],
  ['filter', '-A FORWARD -m ecn --ecn-tcp-cwr', 'ecn'],
  ['filter', '-A FORWARD -m addrtype', 'addrtype'],
  ['filter', '-A FORWARD -m addrtype --src-type HERE', 'HERE'],
  ['filter', '-A FORWARD -m addrtype --src-type LOCAL,', 'LOCAL,'],
  [
    'filter',
    '-A FORWARD -m addrtype --src-type LOCAL --limit-iface-in --limit-iface-out',
    '--limit-iface-out',
  ],
  ['filter', '-A FORWARD -m pkttype', 'pkttype'],
  ['filter', '-A FORWARD -m pkttype --pkt-type all', 'all'],
  ['filter', '-A FORWARD -m physdev', 'physdev'],
  ['filter', '-A FORWARD -m physdev --physdev-in abcdefghijklmnop', 'abcdefghijklmnop'],
  ['filter', '-A FORWARD -m tcpmss --mss 5', 'tcpmss'],
  ['filter', '-A FORWARD -p tcp -m tcpmss', 'tcpmss'],
  ['filter', '-A FORWARD -m set', 'set'],
  ['filter', '-A FORWARD -m set --match-set addresses', 'end of line'],
  ['filter', '-A FORWARD -m set --match-set addresses both', 'both'],
  [
    'filter',
    '-A FORWARD -m set --match-set addresses src,src,src,src,src,src,src',
    'src,src,src,src,src,src,src',
  ],
  ['filter', '-A FORWARD -j SET', 'SET'],
  ['filter', '-A FORWARD -j SET --del-set addresses src --exist', 'SET'],
  ['filter', '-A FORWARD -j SET --del-set addresses src --timeout 5', 'SET'],
]

/** Rules that iptables takes and we do not: what the gateway has not, and what could never be meant. */
const refused: [table: string, rule: string, said: RegExp][] = [
  ['nat', '-A POSTROUTING -j SNAT --to-source 1.2.3.9-1.2.3.4', /1.2.3.9-1.2.3.4: ends before it begins/],
  ['nat', '-A POSTROUTING -p tcp -j SNAT --to-source 1.2.3.4:5-9/3', /shifts ports, which only DNAT does/],
  ['nat', '-A PREROUTING -j NETMAP --to 1.2.3.4/33', /prefix/],
  ['mangle', '-A FORWARD -j CONNMARK --set-mark 1 --mask 2', /mask that only --save-mark/],
  [
    'mangle',
    '-A FORWARD -j CONNMARK --set-mark 1 --left-shift-mark 2',
    /--left-shift-mark: is not available/,
  ],
  [
    'mangle',
    '-A FORWARD -p tcp --syn -j TCPMSS --set-mss 1 --clamp-mss-to-pmtu',
    /--clamp-mss-to-pmtu: stands beside/,
  ],
  ['raw', '-A PREROUTING -j CT --zone 256', /256: is not a number from 0 to 255/],
  ['raw', '-A PREROUTING -j CT --zone mark', /mark: is not available/],
  ['raw', '-A PREROUTING -j CT --helper ftp', /--helper: is not available/],
  ['raw', '-A PREROUTING -j CT --zone-orig 3', /--zone-orig: is not available/],
  ['filter', '-A FORWARD -m length --length 9:5', /9:5/],
  [
    'filter',
    '-A FORWARD -m set --match-set addresses src ! --update-counters',
    /--update-counters: is not available/,
  ],
  ['filter', '-A FORWARD -m set --match-set addresses src --packets-gt 5', /--packets-gt: is not available/],
  ['filter', '-A FORWARD -j SET --map-set addresses src --map-mark', /--map-set: is not available/],
  ['filter', '-A FORWARD -j SET --add-set addresses src --timeout 4294967', /4294967: is not a number/],
]

function ours(table: string, rules: string[]): string[] {
  const { tables } = restore([`*${table}`, ...rules, 'COMMIT', ''].join('\n'))
  const chains = [...tables.values()].flatMap((each) => [...each.chains.values()])
  return chains.flatMap((chain) => chain.rules.map((rule) => rule.text))
}

suite('rules of iptables-legacy', ['iptables-legacy-restore', 'ipset'], () => {
  let legacy: Legacy
  beforeAll(() => {
    legacy = new Legacy()
    legacy.run('ipset', 'create', 'addresses', 'hash:ip', 'timeout', '100')
    legacy.run('ipset', 'create', 'pairs', 'hash:ip,port', 'timeout', '100')
  })

  it.each(Object.keys(right))('are printed as it prints them: %s', (table) => {
    expect(ours(table, right[table])).toEqual(legacy.reprint(table, right[table]))
  })

  it.each(wrong)('are refused in both, table %s: %s', (table, rule, word) => {
    expect(legacy.restore(table, [rule])).not.toBe('')
    try {
      ours(table, [rule])
    } catch (error) {
      expect(error).toBeInstanceOf(Misread)
      const { message, line } = error as Misread
      expect(line).toBe(2)
      expect(message.split(': ')[1]).toBe(word)
      return
    }
    expect.unreachable(`${rule} was taken`)
  })
})

it.each(refused)('what is not to be had is refused, table %s: %s', (table, rule, said) => {
  expect(() => ours(table, [rule])).toThrow(said)
})
