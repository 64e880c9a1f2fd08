/** Rulesets that meet every packet with all kinds of rules, for who looks at what that costs or leaves behind. */

const table = (name: string, ...lines: string[]) => `*${name}\n${lines.join('\n')}\nCOMMIT\n`
const filter = (...lines: string[]) => table('filter', ...lines)

/** Sets that the rules use; the last two are too small for what is put into them. */
export const SETS = `create guests hash:ip
create ports bitmap:port range 0-65535
create all list:set
create few hash:ip maxelem 64 timeout 5
create pairs hash:ip,port maxelem 64
add guests 10.0.0.11
add ports 8000
add all guests
add all few
`

/** Matches that remember or change something, or search: none ends what a packet meets. */
const MEMORY = [
  '-m limit --limit 1000/sec --limit-burst 100',
  '-m hashlimit --hashlimit-upto 10/sec --hashlimit-mode srcip,srcport,dstip --hashlimit-name some --hashlimit-htable-expire 1000',
  '-m hashlimit --hashlimit-above 1kb/s --hashlimit-mode srcip --hashlimit-name bytes',
  '-m hashlimit --hashlimit-above 5/sec --hashlimit-rate-match --hashlimit-rate-interval 1 --hashlimit-mode dstip --hashlimit-name rate',
  '-m recent --name met --set --rdest',
  '-m recent --name met --update --seconds 5 --hitcount 3 --rttl --rdest',
  '-m recent --name met --rcheck --seconds 60 --reap --rdest',
  // A list of hundreds is looked through for every packet that asks.
  '-m statistic --mode nth --every 16 --packet 0 -m connlimit --connlimit-upto 10 --connlimit-mask 32 --connlimit-saddr',
  '-m statistic --mode nth --every 16 --packet 1 -m connlimit --connlimit-above 3 --connlimit-mask 24 --connlimit-daddr',
  '-m string --string "needle in hay" --algo kmp',
  '-m string --hex-string "|0001|y" --algo bm --icase --from 20 --to 60',
  '-m u32 --u32 "6&0xFF=6,17 && 0>>22&0x3C@0>>16=1:65535"',
  '-m set --match-set all src',
  '-m set --match-set pairs src,dst',
  '-m statistic --mode nth --every 3 --packet 0',
  '-m statistic --mode random --probability 0.5',
  '-m quota --quota 100000',
  '-m connbytes --connbytes 100: --connbytes-mode bytes --connbytes-dir both',
  '-m time --timestart 00:00 --timestop 23:59:59 --weekdays Mon,Sun',
  '-m addrtype --src-type UNICAST ! --dst-type LOCAL',
  '-m mac ! --mac-source 02:00:00:00:09:09',
  '-m physdev ! --physdev-is-bridged',
]

const CHANGES = [
  '-j MARK --set-xmark 0x1/0x1',
  '-j CONNMARK --save-mark',
  '-j CONNMARK --restore-mark',
  '-j TOS --set-tos 0x10/0x3f',
  '-j DSCP --set-dscp 0x04',
  '-j TTL --ttl-set 64',
  '-p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --set-mss 1000',
  '-j SET --add-set few dst --exist',
  '-j SET --add-set pairs dst,src',
  '-j SET --del-set pairs src,src',
]

const many = (count: number, rule: (n: number) => string) => Array.from({ length: count }, (_, n) => rule(n))
const memory = filter(...MEMORY.map((match) => `-A FORWARD ${match}`), '-A FORWARD -j ACCEPT')

export const STATUTES: Record<string, string> = {
  /** the same for all packets of a flow: trails */
  static: filter(
    ':FORWARD DROP',
    '-A FORWARD -m conntrack --ctstate INVALID -j DROP',
    ...many(100, (n) => `-A FORWARD -d 203.0.113.${100 + n}/32 -p udp -m udp --dport ${n} -j DROP`),
    '-A FORWARD -m conntrack --ctstate NEW,ESTABLISHED,RELATED -j ACCEPT',
  ),
  /** asked of every packet in the straight loop */
  pure: filter(
    '-A FORWARD -m length --length 1000:1500 -j DROP',
    '-A FORWARD -m ttl --ttl-lt 5 -j DROP',
    '-A FORWARD -m set --match-set all src',
    '-A FORWARD -m set ! --match-set ports dst',
    '-A FORWARD -m tos --tos 0x10 -j DROP',
    '-A FORWARD -m conntrack --ctstatus SEEN_REPLY -j ACCEPT',
    '-A FORWARD -p tcp -m tcp --tcp-flags PSH PSH -j ACCEPT',
  ),
  memory: memory + table('mangle', ...CHANGES.map((change) => `-A PREROUTING ${change}`)),
  translated:
    memory +
    table('nat', '-A POSTROUTING -o wan -p tcp -j MASQUERADE', '-A PREROUTING -i lan -d 192.0.2.1 -j DROP'),
  told: table('raw', '-A PREROUTING -j TRACE') + filter('-A FORWARD -j LOG', '-A FORWARD -j NFLOG'),
  rejected: filter(
    '-A FORWARD -i wan -j ACCEPT',
    '-A FORWARD -p tcp -j REJECT --reject-with tcp-reset',
    '-A FORWARD -j REJECT --reject-with icmp-admin-prohibited',
    '-A OUTPUT -m limit --limit 100/sec -j ACCEPT',
  ),
}
