/** Kernels on both sides of the gateway: how they find it, what it tells them, and packets that are too long for the way. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { cleanup } from '../lab/cleanup.ts'
import { mustSync, says } from '../lab/command.ts'
import { Daemon } from '../lab/daemon.ts'
import { Namespace } from '../lab/namespace.ts'
import { suite } from '../lab/peer.ts'
import { Pinger } from '../lab/pinger.ts'
import { Tcpdump } from '../lab/tcpdump.ts'

const GATEWAY = '10.0.2.2'
const OUTSIDE = '192.0.2.10'
const WORLD = '192.0.2.1'
const NARROW = 1400

suite('the gateway between kernels', ['busybox', 'tcpdump', 'traceroute', 'iperf3'], () => {
  let guest: Namespace
  let other: Namespace
  let world: Namespace
  let daemon: Daemon

  beforeAll(async () => {
    guest = new Namespace('guest')
    other = new Namespace('other')
    world = new Namespace('world')
    const host = new Namespace('host')
    const ends = ['up0', 'mtu', String(NARROW), 'netns', host.name]
    const far = ['peer', 'name', 'eth0', 'mtu', String(NARROW), 'netns', world.name]
    mustSync('ip', 'link', 'add', ...ends, 'type', 'veth', ...far)
    mustSync(...host.argv('ip', 'link', 'set', 'up0', 'up'))
    mustSync(...world.argv('ip', 'link', 'set', 'eth0', 'up'))
    mustSync(...world.argv('ip', 'addr', 'add', `${WORLD}/24`, 'dev', 'eth0'))
    const uplink = { nic: 'up0', address: `${OUTSIDE}/24`, gateway: WORLD }
    const lan = { mode: 'nat', subnet: '10.0.2.0/24', gateway: GATEWAY, dhcp: 'off', dns: 'off', uplink }
    const tap = (namespace: Namespace, number: number) => ({
      network: 'lan',
      type: 'tap',
      netns: namespace.name,
      ifname: 'eth0',
      address: `10.0.2.${number}/24`,
    })
    daemon = await Daemon.start(
      { networks: { lan }, ports: { guest: tap(guest, 15), other: tap(other, 16) } },
      host,
    )
    for (const namespace of [guest, other])
      await namespace.attempt(['ip', 'route', 'add', 'default', 'via', GATEWAY])
  })
  afterAll(cleanup)

  const ping = (from: Namespace, ...argv: string[]) =>
    from.attempt(['ping', '-c', '2', '-i', '0.2', '-W', '2', ...argv])

  it('answers arping once a request, and a kernel keeps it reachable', async () => {
    const said = await guest.exec(['busybox', 'arping', '-c', '3', '-I', 'eth0', GATEWAY])
    expect(said).toMatch(/Sent 3 probe.*\n.*Received 3 response/)
    const probe = await guest.attempt([
      'busybox',
      'arping',
      '-D',
      '-c',
      '2',
      '-w',
      '2',
      '-I',
      'eth0',
      GATEWAY,
    ])
    expect(probe.stdout).toMatch(/Received 1 response/)
    expect((await ping(guest, GATEWAY)).status).toBe(0)
    expect(await guest.exec(['ip', 'neigh', 'show', GATEWAY])).toMatch(/REACHABLE|DELAY/)
  })

  it.each([0, 56, 1472, 1473, 9000, 65507])('answers a ping of %i bytes', async (size) => {
    expect(await new Pinger(guest, GATEWAY, 0.2, '-s', String(size)).stop(2)).toEqual([])
  })

  it.each([56, 1372, 1373, 1472, 5000, 65507])(
    'carries a ping of %i bytes outside and back',
    async (size) => {
      const pinger = new Pinger(guest, WORLD, 0.2, '-M', 'dont', '-s', String(size))
      expect(await pinger.stop(2)).toEqual([])
    },
  )

  it('says how long a packet may be that must not be cut, and the kernel believes it', async () => {
    const said = await ping(other, '-M', 'do', '-s', '1472', WORLD)
    expect(said.stdout + said.stderr).toMatch(/From 10\.0\.2\.2 .*[Ff]rag needed.*mtu ?= ?1400/)
    expect(await other.exec(['ip', 'route', 'get', WORLD])).toContain('mtu 1400')
  })

  it('lowers the segment size of connections to what the way takes', async () => {
    const server = world.spawn('iperf3', '-s', '-1', '--forceflush')
    await says(server, /listening/)
    const capture = await Tcpdump.start(world, 'eth0', 'tcp[tcpflags] & tcp-syn != 0')
    await guest.exec(['iperf3', '-c', WORLD, '-n', '10M', '-J'])
    expect(await capture.stop()).toMatch(/192\.0\.2\.10\.\d+ > 192\.0\.2\.1\.5201: .*mss 1360/)
  })

  it('is the first hop of a traceroute', async () => {
    const said = await guest.exec(['traceroute', '-n', '-q', '1', '-w', '2', '-m', '4', WORLD])
    expect(said).toMatch(/ 1 {2}10\.0\.2\.2 [\s\S]* 2 {2}192\.0\.2\.1 /)
  })

  it('tells who speaks to nobody, in the words in which it was spoken to', async () => {
    const said = await guest.attempt(['ping', '-c', '1', '-W', '6', '192.0.2.77'])
    expect(said.stdout).toContain('From 10.0.2.2 icmp_seq=1 Destination Host Unreachable')
    const route = await guest.exec(['traceroute', '-n', '-q', '1', '-w', '5', '-m', '3', '192.0.2.78'])
    expect(route).toMatch(/ 2 {2}10\.0\.2\.2 .*!H/)
  })

  it('announces itself, and finds the kernels again that forgot everything', async () => {
    const capture = await Tcpdump.start(world, 'eth0', 'arp')
    await world.exec(['ip', 'neigh', 'flush', 'all'])
    expect((await ping(guest, WORLD)).status).toBe(0)
    expect(await capture.stop()).toMatch(/Reply 192\.0\.2\.10 is-at/)
    await daemon.stop()
    const start = await Tcpdump.start(world, 'eth0', 'arp')
    await daemon.up()
    expect(await start.stop()).toMatch(/Request who-has 192\.0\.2\.10 .*tell 192\.0\.2\.10/)
  })
})
