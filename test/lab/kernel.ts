/**
 * The kernel as a gateway, for rules to be tried in: a namespace that stands where ours does in house.ts, with the same addresses and
 * MACs. Frames are written to its two TAP devices and what it sends is read from them, all in this thread.
 *
 *   guests 10.0.0.11 to .14 ── lan 10.0.0.1 ║ wan 198.51.100.2 ── router 198.51.100.1 ── anybody
 */
import { spawnSync } from 'node:child_process'
import { readFileSync, readSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { native } from '../../src/memory/native.ts'
import { defer } from './cleanup.ts'
import { patienceMs } from './command.ts'
import { ethernet, join, mac } from './frame.ts'
import { Namespace } from './namespace.ts'
import { Pieces } from './pieces.ts'

/** bytes of the vnet header before every frame */
const VNET = 10
/** a tick of a kernel with HZ 250, and a little */
const TICK_MS = 5
/** Who is behind LAN, and the only one behind WAN. */
export const GUESTS = [0, 1, 2, 3]
export const ROUTER = 4
const own = ['02:00:00:00:02:01', '02:00:00:00:02:02']
const names = ['lan', 'wan']
export const hardware = (station: number) => `02:00:00:00:01:${station.toString(16).padStart(2, '0')}`

/**
 * What differs from a kernel as it comes: nothing is limited, filtered or forgotten by itself, and what comes from outside for somebody
 * outside has no way.
 */
const settings = `
ip link set lan address ${own[0]}; ip link set wan address ${own[1]}
for file in net/ipv4/ip_forward net/ipv4/conf/all/forwarding; do echo 1 > /proc/sys/$file; done
for name in all default lan wan; do
  for key in rp_filter send_redirects accept_redirects accept_source_route; do
    echo 0 > /proc/sys/net/ipv4/conf/$name/$key
  done
  echo 1 > /proc/sys/net/ipv6/conf/$name/disable_ipv6
done
echo 0 > /proc/sys/net/ipv4/icmp_ratelimit
echo 0 > /proc/sys/net/ipv4/icmp_ratemask
echo 3600 > /proc/sys/net/ipv4/ipfrag_time
ip link set wan mtu 1400
ip link set lan up; ip link set wan up
ip address add 10.0.0.1/24 dev lan; ip address add 198.51.100.2/24 dev wan
ip route add default via 198.51.100.1 mtu lock 1400
ip route change 10.0.0.0/24 dev lan src 10.0.0.1 mtu lock 1500 proto kernel scope link
ip route add 10.0.0.0/24 dev lan table 100; ip route add blackhole default table 100
ip rule add iif wan priority 100 lookup 100
${GUESTS.map((n) => `ip neighbour add 10.0.0.${11 + n} lladdr ${hardware(n)} nud permanent dev lan`).join('\n')}
ip neighbour add 198.51.100.1 lladdr ${hardware(ROUTER)} nud permanent dev wan
`

/**
 * What the gateway does by itself where a kernel with no services does otherwise: connections are tracked whether rules ask for them or
 * not, a SYN is clamped to the MTU, guests hear that a port is closed by ICMP, and the world hears nothing.
 */
const habits = `
table ip habits {
  chain track {
    type filter hook prerouting priority 400
    ct state new
  }
  chain clamp {
    type filter hook postrouting priority 400
    ct state { new, established, related } iifname { "lan", "wan" } tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu
  }
  chain closed {
    type filter hook input priority 200
    icmp type { echo-request, destination-unreachable, time-exceeded, parameter-problem, source-quench } accept
    iifname "wan" drop
    meta l4proto { tcp, udp } reject with icmp type port-unreachable
    reject with icmp type prot-unreachable
  }
}`

const empty = `*raw
:PREROUTING ACCEPT
:OUTPUT ACCEPT
COMMIT
*mangle
:PREROUTING ACCEPT
:INPUT ACCEPT
:FORWARD ACCEPT
:OUTPUT ACCEPT
:POSTROUTING ACCEPT
COMMIT
*nat
:PREROUTING ACCEPT
:INPUT ACCEPT
:OUTPUT ACCEPT
:POSTROUTING ACCEPT
COMMIT
*filter
:INPUT ACCEPT
:FORWARD ACCEPT
:OUTPUT ACCEPT
COMMIT
`

/** An IPv4 packet and the station that sends or gets it: a guest's number or ROUTER. */
export interface Parcel {
  station: number
  packet: Uint8Array
}

export class Kernel {
  readonly namespace: Namespace
  private readonly fds: number[]
  private readonly table: string
  private readonly pieces = new Pieces()
  /** connections that are over are counted by connlimit until the next tick */
  private isPatient = false
  private readonly buffer = new Uint8Array(70_000)

  constructor() {
    const namespace = new Namespace('rules')
    this.namespace = namespace
    this.fds = names.map((ifname) => {
      const device = { kind: 'tap', ifname, netns: namespace.path, queues: 1, offload: false } as const
      return native.deviceOpen({ ...device, persist: false, owner: -1, alias: '' }).fds[0]
    })
    defer(() => this.close())
    const { pid } = namespace.spawn('sleep', '100000')
    this.table = `/proc/${pid}/net/nf_conntrack`
    this.script(settings)
    this.script(`nft -f /dev/stdin <<"END"\n${habits}\nEND`)
    const keys = 'nf_conntrack_checksum nf_conntrack_tcp_loose nf_conntrack_acct'
    this.script(`for key in ${keys}; do echo 1 > /proc/sys/net/netfilter/$key; done`)
    this.collect()
  }

  /** Runs a shell's script inside; throws what it said if it fails. */
  script(text: string): string {
    const [command = '', ...args] = this.namespace.argv('sh', '-e')
    // The lock is for all namespaces of a machine; nobody else is in this one.
    const env = { ...process.env, XTABLES_LOCKFILE: `${tmpdir()}/${this.namespace.name}.lock` }
    const result = spawnSync(command, args, { input: text, encoding: 'utf8', timeout: patienceMs, env })
    if (result.status === 0) return result.stdout
    throw new Error(`the kernel refuses: ${result.stderr.trim() || result.error}`)
  }

  /** Puts rules and sets in force, as iptables-restore and ipset restore read them, and forgets all flows. */
  load(rules: string, sets = ''): void {
    for (const parcel of this.pieces.rest()) this.send(parcel)
    const steps = [
      `iptables-legacy-restore <<"END"\n${empty}END`,
      'ipset flush; ipset destroy',
      'conntrack -F 2>/dev/null',
    ]
    if (sets !== '') steps.push(`ipset restore <<"END"\n${sets}END`)
    steps.push(`iptables-legacy-restore <<"END"\n${rules}END`)
    this.isPatient = rules.includes('connlimit')
    this.script(`${steps.join('\n')}\n`)
    this.collect()
  }

  /** The rules in force as iptables-save prints them, with counters, and the sets. */
  save(): { rules: string; sets: string } {
    const [rules, sets] = this.script('iptables-legacy-save -c; echo "#sets"; ipset save\n').split('#sets\n')
    return { rules, sets }
  }

  /** Lines of /proc/net/nf_conntrack. */
  flows(): string[] {
    return readFileSync(this.table, 'utf8').split('\n').filter(Boolean)
  }

  /** A station sends a packet; returns what all stations get because of it. */
  give(parcel: Parcel): Parcel[] {
    this.pieces.note(parcel)
    if (this.isPatient) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, TICK_MS)
    this.send(parcel)
    return this.collect()
  }

  private send({ station, packet }: Parcel): void {
    const side = station === ROUTER ? 1 : 0
    const frame = ethernet(own[side], hardware(station), 0x0800, packet)
    writeSync(this.fds[side], join(new Uint8Array(VNET), frame))
  }

  private collect(): Parcel[] {
    const parcels: Parcel[] = []
    for (const side of [0, 1]) {
      for (let frame = this.read(side); frame !== null; frame = this.read(side)) {
        if (frame[12] !== 8 || frame[13] !== 0 || frame[14 + 9] === 2) continue
        const to = [...GUESTS, ROUTER].find((n) => mac(hardware(n)).every((byte, i) => frame![i] === byte))
        if (to !== undefined) parcels.push({ station: to, packet: frame.slice(14) })
      }
    }
    return parcels
  }

  private read(side: number): Uint8Array | null {
    try {
      return this.buffer.slice(VNET, readSync(this.fds[side], this.buffer))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return null
      throw error
    }
  }

  close(): void {
    for (const fd of this.fds.splice(0)) native.descriptorClose(fd)
  }
}
