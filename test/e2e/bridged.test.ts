/**
 * Guests on the LAN of a card: a veth pair is the card and its cable, a namespace behind it is the LAN with its own DHCP server. Each
 * guest has its own MAC there, or, behind Wi-Fi, all have the card's.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { cleanup } from '../lab/cleanup.ts'
import { eventually, mustSync } from '../lab/command.ts'
import { Daemon } from '../lab/daemon.ts'
import { exchange, serveEcho } from '../lab/exchange.ts'
import { folder } from '../lab/folder.ts'
import { Namespace } from '../lab/namespace.ts'
import { suite } from '../lab/peer.ts'
import { Pinger } from '../lab/pinger.ts'
import { Tcpdump } from '../lab/tcpdump.ts'
import { Witness } from '../lab/witness.ts'

const ROUTER = '192.168.50.1'
const HOST = '192.168.50.2'
const CARD = '02:00:00:00:50:02'

/** The LAN: a router with dnsmasq, and the host whose card is plugged into it. */
class Lan {
  readonly host = new Namespace('host')
  readonly router = new Namespace('lan')
  private readonly place = folder('lan')

  plug(): void {
    const far = ['peer', 'name', 'eth0', 'netns', this.router.name]
    mustSync('ip', 'link', 'add', 'eth1', 'address', CARD, 'netns', this.host.name, 'type', 'veth', ...far)
    for (const [at, ifname, address] of [
      [this.host, 'eth1', HOST],
      [this.router, 'eth0', ROUTER],
    ] as const) {
      mustSync(...at.argv('ip', 'addr', 'add', `${address}/24`, 'dev', ifname))
      mustSync(...at.argv('ip', 'link', 'set', ifname, 'up'))
    }
  }

  async serve(): Promise<void> {
    const files = [`--dhcp-leasefile=${this.place}/leases`, `--pid-file=${this.place}/pid`]
    const pool = ['--dhcp-range=192.168.50.100,192.168.50.150,1h', '--dhcp-authoritative', '--no-ping']
    const quiet = ['--no-daemon', '--conf-file=/dev/null', '--port=0', '--user=root', '--interface=eth0']
    this.router.spawn('dnsmasq', ...quiet, ...files, ...pool)
    await serveEcho(this.router)
  }

  /** A real client in a guest; resolves to the address that it got. */
  async lease(guest: Namespace): Promise<string> {
    const script = join(this.place, 'bound.sh')
    const take = 'ip addr flush dev $interface; ip addr add $ip/$mask dev $interface; echo "got $ip"'
    writeFileSync(script, `#!/bin/sh\ncase $1 in bound) ${take};; esac\n`, { mode: 0o755 })
    const argv = ['busybox', 'udhcpc', '-i', 'eth0', '-f', '-q', '-n', '-t', '8', '-T', '1', '-s', script]
    const said = await guest.exec(argv)
    return /got (\S+)/.exec(said)?.[1] ?? said
  }

  /** MAC that the router knows for an address. */
  async neighbour(address: string): Promise<string> {
    return /lladdr (\S+)/.exec(await this.router.exec(['ip', 'neigh', 'show', address]))?.[1] ?? ''
  }
}

const tap = (guest: Namespace) => ({ network: 'lan', type: 'tap', netns: guest.name, ifname: 'eth0' })
const reaches = async (from: Namespace, to: string) =>
  (await from.attempt(['ping', '-c', '2', '-i', '0.2', '-W', '2', to])).status === 0
suite('bridged', ['busybox', 'dnsmasq', 'tcpdump', 'nft', 'sysctl', 'cap'], () => {
  let lan: Lan
  let a: Namespace
  let b: Namespace
  let daemon: Daemon

  const plain = { network: 'lan', type: 'nic', device: 'eth1' }
  const configuration = (ports: object, network: object = {}) => ({
    networks: { lan: { mode: 'bridged', ...network } },
    ports: { a: tap(a), b: tap(b), ...ports },
  })
  /** The MAC of an interface as ip prints it; /sys shows another namespace's. */
  const hardware = async (guest: Namespace) =>
    /ether (\S+)/.exec(await guest.exec(['ip', 'link', 'show', 'eth0']))?.[1]

  async function start(ports: object, network: object = {}): Promise<void> {
    lan = new Lan()
    lan.plug()
    a = new Namespace('a')
    b = new Namespace('b')
    await lan.serve()
    daemon = await Daemon.start(configuration(ports, network), lan.host)
  }

  it('a guest has its own place on the LAN: leased there, reached from there, whole streams both ways', async () => {
    await start({ nic: plain })
    const [one, two] = [await lan.lease(a), await lan.lease(b)]
    expect(one).toMatch(/^192\.168\.50\.1\d\d$/)
    expect([await reaches(a, ROUTER), await reaches(lan.router, one), await reaches(a, two)]).toEqual([
      true,
      true,
      true,
    ])
    expect(await lan.neighbour(one)).toBe(await hardware(a))
    await exchange(a, ROUTER)
    await serveEcho(b)
    await exchange(lan.router, two)
    expect((await daemon.port('nic')).drops).toEqual({})
  })

  it('the host keeps its card: reached from the LAN, and no frame of its own gets to a guest', async () => {
    await start({ nic: plain })
    await lan.lease(a)
    const seen = await Tcpdump.start(a, 'eth0', `ether host ${CARD} and not broadcast`)
    expect([await reaches(lan.router, HOST), await reaches(lan.host, ROUTER)]).toEqual([true, true])
    expect(await seen.stop()).not.toMatch(/ICMP/)
    // Nobody else may have the card's MAC.
    await a.exec(['ip', 'link', 'set', 'eth0', 'address', CARD])
    expect(await reaches(a, ROUTER)).toBe(false)
    expect((await daemon.port('a')).drops).toHaveProperty('source_protected')
  })

  it('a host that gives its address to the network’s own interface: one with its guests and the LAN, as on br0', async () => {
    lan = new Lan()
    lan.plug()
    a = new Namespace('a')
    b = new Namespace('b')
    await lan.serve()
    await lan.host.exec(['ip', 'addr', 'flush', 'dev', 'eth1'])
    const host = { address: `${HOST}/24` }
    daemon = await Daemon.start(configuration({ nic: plain }, { subnet: '192.168.50.0/24', host }), lan.host)
    const one = await lan.lease(a)
    for (const [from, to] of [
      [lan.router, HOST],
      [lan.host, ROUTER],
      [a, HOST],
      [lan.host, one],
      [lan.router, one],
    ] as const)
      expect([from.name, to, await reaches(from, to)]).toEqual([from.name, to, true])
    await exchange(lan.host, ROUTER)
    expect(await lan.neighbour(HOST)).not.toBe(CARD)
  })

  it('tags pass as they are, to the card and from it', async () => {
    await start({ nic: plain })
    const tagged = (to: string, from: string) =>
      Buffer.concat([
        Buffer.from(to.replaceAll(':', ''), 'hex'),
        Buffer.from(from.replaceAll(':', ''), 'hex'),
        Buffer.from('8100200588b5', 'hex'),
        Buffer.alloc(60, 7),
      ])
    const [inside, outside] = ['02:00:00:00:00:aa', '02:00:00:00:00:bb']
    for (const [from, to, frame] of [
      [a, lan.router, tagged('ff:ff:ff:ff:ff:ff', inside)],
      [lan.router, a, tagged(inside, outside)],
    ] as const) {
      const seen = await Witness.open(to, 'eth0', `ether src ${from === a ? inside : outside}`)
      const sender = await Witness.open(from, 'eth0', 'less 1')
      await sender.send(frame)
      await seen.sees(1)
      expect(seen.frames[0]?.toString('hex')).toBe(frame.toString('hex'))
    }
  })

  it('a card that goes makes its port wait, nothing else; it goes on when the card comes back', async () => {
    await start({ nic: plain })
    const [one, two] = [await lan.lease(a), await lan.lease(b)]
    const pinger = new Pinger(a, two, 0.05)
    mustSync(...lan.host.argv('ip', 'link', 'del', 'eth1'))
    await eventually('the port waits', async () => (await daemon.port('nic')).state === 'waiting')
    expect((await daemon.port('nic')).reason).toContain('eth1')
    expect(await reaches(a, two)).toBe(true)
    lan.plug()
    await eventually('the port is up', async () => (await daemon.port('nic')).state === 'up')
    await eventually('the LAN', () => reaches(lan.router, one))
    expect(await pinger.stop()).toEqual([])
    expect(daemon.output).toContain('there is no interface eth1: the port waits for it')
  })

  it('uplink: { nic } makes the port <network>-uplink', async () => {
    await start({}, { uplink: { nic: 'eth1' } })
    const one = await lan.lease(a)
    expect([await reaches(lan.router, one), (await daemon.port('lan-uplink')).state]).toEqual([true, 'up'])
  })

  it('macTranslation: one MAC on the air, every guest reached by its address', async () => {
    await start({ nic: { ...plain, macTranslation: true } })
    const air = await Tcpdump.start(lan.router, 'eth0', `inbound and not ether src ${CARD}`)
    const [one, two] = [await lan.lease(a), await lan.lease(b)]
    expect(one).not.toBe(two)
    for (const address of [one, two]) expect(await reaches(lan.router, address)).toBe(true)
    expect([await lan.neighbour(one), await lan.neighbour(two)]).toEqual([CARD, CARD])
    expect([await reaches(a, ROUTER), await reaches(b, ROUTER), await reaches(a, two)]).toEqual([
      true,
      true,
      true,
    ])
    await exchange(b, ROUTER)
    await serveEcho(a)
    await exchange(lan.router, one)
    expect([await reaches(lan.host, ROUTER), await reaches(lan.router, HOST)]).toEqual([true, true])
    expect(await air.stop()).not.toMatch(/\b(ARP|IP|IP6)\b/)
  })

  it('macTranslation on a host that forwards: it sends no guest’s packet back, and its own still arrive', async () => {
    await start({ nic: { ...plain, macTranslation: true } })
    await lan.host.exec(['sysctl', '-qw', 'net.ipv4.ip_forward=1'])
    const one = await lan.lease(a)
    expect(await reaches(lan.router, one)).toBe(true)
    const echoes = await Tcpdump.start(lan.router, 'eth0', `inbound and icmp and src ${HOST}`)
    const requests = await Tcpdump.start(lan.router, 'eth0', `inbound and arp and arp[14:4] = 0xc0a83202`)
    await exchange(a, ROUTER)
    // Longer than the three seconds in which a kernel asks for a neighbour before it says that there is none.
    await lan.router.attempt(['ping', '-c', '18', '-i', '0.2', '-W', '1', one])
    expect(await echoes.stop()).not.toMatch(/redirect|unreachable/)
    expect(await requests.stop()).not.toContain(`who-has ${one}`)
    expect(await reaches(lan.router, HOST)).toBe(true)
    await daemon.stop()
    expect(await lan.host.exec(['nft', 'list', 'ruleset'])).toBe('')
  })

  it('a card that gets another MAC: the guests behind it have that one from then on', async () => {
    await start({ nic: { ...plain, macTranslation: true } })
    const one = await lan.lease(a)
    const other = '02:00:00:00:50:99'
    await lan.host.exec(['ip', 'link', 'set', 'eth1', 'address', other])
    await eventually('the guest on the LAN', async () => {
      const isReached = await reaches(lan.router, one)
      return isReached && (await lan.neighbour(one)) === other
    })
    expect(daemon.output).toContain('card eth1 has another MAC or MTU: it is opened again')
  })

  it('a card that is not there: told at the start, refused later, with the names it could mean', async () => {
    lan = new Lan()
    a = new Namespace('a')
    b = new Namespace('b')
    daemon = await Daemon.start(configuration({ nic: plain }), lan.host)
    expect(daemon.output).toContain('there is no interface eth1: the port waits for it')
    expect(daemon.output).toContain('this machine has no card eth1; see ip link')
    const doctor = await daemon.attempt(['doctor', '-c', daemon.file])
    expect([doctor.status, doctor.stdout]).toEqual([1, expect.stringContaining('no card eth1')])
    const add = ['port', 'add', 'other', '--network', 'lan', '--type', 'nic', '--device', 'eth9']
    const refused = await daemon.attempt(add)
    expect([refused.status, refused.stderr]).toEqual([
      1,
      'bridgeport: port other: this machine has no card eth9; see ip link for those it has\n',
    ])
    lan.plug()
    await eventually('the port is up', async () => (await daemon.port('nic')).state === 'up')
  })

  afterEach(cleanup)
})
