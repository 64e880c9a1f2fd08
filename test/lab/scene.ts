/** A small office in namespaces, alive: guests in four networks, a world outside, traffic of every kind, rules that count and drop. */
import type { ChildProcess } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { defer } from './cleanup.ts'
import { mustSync, says } from './command.ts'
import { type Configuration, Daemon } from './daemon.ts'
import { cable, Namespace } from './namespace.ts'

export const WORLD = '192.0.2.1'
export const OUTSIDE = '192.0.2.10'
/** A comment that would be a script where text is taken for markup. */
export const HOSTILE = '<img src=x onerror=window.broken=1>'

const SETS = `create guests hash:ip
add guests 10.0.2.15
add guests 10.0.2.16
create doors hash:ip,port timeout 600
`

const RULES = `*nat
-A PREROUTING -i default-uplink -p tcp --dport 2222 -m comment --comment "ssh to build" -j DNAT --to-destination 10.0.2.17:22
COMMIT
*filter
:FORWARD ACCEPT [0:0]
:guests - [0:0]
-A INPUT -p icmp -m comment --comment "who asks the gateway" -j ACCEPT
-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -m comment --comment "what has begun" -j ACCEPT
-A FORWARD -i default -j guests
-A FORWARD -p udp --dport 9999 -m comment --comment "${HOSTILE}" -j DROP
-A guests -p tcp --dport 25 -m comment --comment "no mail from guests" -j REJECT --reject-with tcp-reset
-A guests -p tcp -m multiport --dports 80,443,5201 -m comment --comment "the web" -j ACCEPT
-A guests -p udp --dport 53 -m comment --comment "names" -j ACCEPT
COMMIT
`

/** Sends a datagram to each address and port again and again, a second apart if not told otherwise. */
const chatter = (targets: [string, number][], everyMs = 1000) =>
  `const s = require('dgram').createSocket('udp4'); s.on('error', () => {})
  setInterval(() => { for (const [a, p] of ${JSON.stringify(targets)}) s.send(Buffer.alloc(200), p, a, () => {}) }, ${everyMs})`

export class Scene {
  readonly host = new Namespace('host')
  readonly world = new Namespace('world')
  readonly guests: Record<string, Namespace> = {}
  readonly daemon: Daemon

  private constructor() {
    cable(this.host, 'up0', this.world, 'eth0')
    mustSync(...this.host.argv('ip', 'link', 'set', 'up0', 'up'))
    mustSync(...this.world.argv('ip', 'link', 'set', 'eth0', 'up'))
    for (const address of [WORLD, '192.0.2.53'])
      mustSync(...this.world.argv('ip', 'addr', 'add', `${address}/24`, 'dev', 'eth0'))
    this.daemon = new Daemon(this.configuration(), this.host)
  }

  /** A running switch with its rules, and nobody who says anything yet. */
  static async open(): Promise<Scene> {
    const scene = new Scene()
    await scene.daemon.up()
    for (const [kind, text] of Object.entries({ set: SETS, rules: RULES })) {
      const file = join(scene.daemon.folder, kind)
      writeFileSync(file, text)
      await scene.daemon.cli(kind, 'restore', file)
    }
    return scene
  }

  private configuration(): Configuration {
    const tap = (network: string, name: string, address: string, more: object = {}) => {
      this.guests[name] = new Namespace(name)
      return { network, type: 'tap', netns: this.guests[name].name, ifname: 'eth0', address, ...more }
    }
    const uplink = { nic: 'up0', address: `${OUTSIDE}/24`, gateway: WORLD }
    const publish = ['tcp::8080-10.0.2.15:80', 'udp::5353-10.0.2.16:53']
    return {
      networks: {
        default: { mode: 'nat', subnet: '10.0.2.0/24', gateway: '10.0.2.2', uplink, publish },
        lab: { mode: 'host-only', subnet: '10.20.0.0/24', gateway: '10.20.0.1' },
        office: { mode: 'nat', subnet: '10.40.0.0/24', gateway: '10.40.0.1', isolated: true },
        storage: { mode: 'internal', mtu: 9000 },
      },
      ports: {
        web: tap('default', 'web', '10.0.2.15/24'),
        db: tap('default', 'db', '10.0.2.16/24', { guard: true }),
        build: tap('default', 'build', '10.0.2.17/24'),
        vm1: { network: 'default', type: 'qemu-tap', ifname: 'vm1', mac: '52:54:00:00:00:01' },
        vm3: { network: 'default', type: 'stream', mac: '52:54:00:00:00:03' },
        vm2: { network: 'default', type: 'vhost-user', mac: '52:54:00:00:00:02', queues: 2 },
        probe: tap('lab', 'probe', '10.20.0.20/24'),
        bench: tap('lab', 'bench', '10.20.0.21/24'),
        till: tap('office', 'till', 'dhcp'),
        camera: { network: 'office', type: 'stream' },
        disk1: tap('storage', 'disk1', '10.60.0.1/24', { mtu: 9000 }),
        disk2: tap('storage', 'disk2', '10.60.0.2/24', { mtu: 9000 }),
      },
    }
  }

  /** iperf3 from one to the other for ten minutes, at a rate that leaves the machine to others. */
  private async stream(from: Namespace, to: Namespace, address: string, port: number, ...options: string[]) {
    await says(to.spawn('iperf3', '-s', '-p', String(port), '--forceflush'), /listening/)
    return from.spawn('iperf3', '-c', address, '-p', String(port), '-t', '600', '--forceflush', ...options)
  }

  /** Everybody talks: within networks, to the world through translation, and some of it in vain. */
  async enliven(): Promise<ChildProcess[]> {
    const { web, db, build, probe, disk1, disk2, bench } = this.guests
    const vm3 = connect(join(this.daemon.folder, 'vm3.sock')).on('error', () => {})
    defer(() => vm3.destroy())
    const talk = (from: Namespace, targets: [string, number][], everyMs?: number) =>
      from.spawn(process.execPath, '-e', chatter(targets, everyMs))
    return [
      await this.stream(db, web, '10.0.2.15', 5201, '-b', '18M'),
      await this.stream(build, this.world, WORLD, 5201, '-b', '6M', '-R'),
      await this.stream(web, this.world, WORLD, 5202, '-u', '-b', '2M'),
      await this.stream(disk1, disk2, '10.60.0.2', 5201, '-b', '40M'),
      await this.stream(probe, bench, '10.20.0.21', 5201, '-b', '500k', '-l', '1K'),
      talk(
        build,
        [
          [WORLD, 9999],
          ['192.0.2.53', 53],
          [WORLD, 123],
          [WORLD, 4500],
        ],
        200,
      ),
      talk(web, [
        ['192.0.2.53', 53],
        ['10.0.2.99', 7],
        ['198.51.100.7', 53],
      ]),
      probe.spawn('ping', '-i', '0.5', '10.20.0.1'),
      db.spawn('ping', '-i', '0.5', WORLD),
    ]
  }
}
