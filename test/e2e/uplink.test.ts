/** The uplink `host`: guests reach what the host reaches, the host is as it was afterwards, and its firewall is told of, not touched. */
import { afterEach, expect, it } from 'vitest'
import { cleanup } from '../lab/cleanup.ts'
import { eventually, mustSync, says } from '../lab/command.ts'
import { type Configuration, Daemon, program } from '../lab/daemon.ts'
import { exchange, serveEcho } from '../lab/exchange.ts'
import { Namespace } from '../lab/namespace.ts'
import { suite } from '../lab/peer.ts'

const WORLD = '192.0.2.1'
const HOST = '192.0.2.2'

suite('the uplink host', ['nft', 'sysctl', 'bash'], () => {
  let host: Namespace
  let world: Namespace
  let guest: Namespace

  /** A host with a card into the world, which knows the host's address and nothing behind it. */
  function build(): void {
    host = new Namespace('host')
    world = new Namespace('world')
    guest = new Namespace('guest')
    const far = ['peer', 'name', 'eth0', 'netns', world.name]
    mustSync('ip', 'link', 'add', 'wan', 'netns', host.name, 'type', 'veth', ...far)
    for (const [at, ifname, address] of [
      [host, 'wan', HOST],
      [world, 'eth0', WORLD],
    ] as const) {
      mustSync(...at.argv('ip', 'addr', 'add', `${address}/24`, 'dev', ifname))
      mustSync(...at.argv('ip', 'link', 'set', ifname, 'up'))
    }
    mustSync(...host.argv('ip', 'route', 'add', 'default', 'via', WORLD))
    mustSync(...host.argv('sysctl', '-qw', 'net.ipv4.ip_forward=0'))
  }

  const plan = (network: object = {}, more: Partial<Configuration> = {}): Configuration => ({
    networks: { lan: { mode: 'nat', subnet: '10.9.0.0/24', ...network } },
    ports: {
      a: { network: 'lan', type: 'tap', netns: guest.name, ifname: 'eth0', address: '10.9.0.15/24' },
    },
    ...more,
  })
  const start = (network: object = {}) => Daemon.start(plan(network), host)
  const pings = async (from: Namespace, to: string) =>
    (await from.attempt(['ping', '-c', '2', '-i', '0.2', '-W', '1', to])).status === 0
  const ruleset = () => host.exec(['nft', 'list', 'ruleset'])
  const forwarding = async () => (await host.exec(['cat', '/proc/sys/net/ipv4/conf/wan/forwarding'])).trim()
  const untouched = async () => (await forwarding()) === '0' && (await ruleset()) === ''

  /** Nothing is left in the host but its card. */
  const leavesNothing = (daemon: Daemon) =>
    eventually('nothing left behind', () => daemon.leftovers().join() === 'interface wan', 5000)

  afterEach(cleanup)

  it('whole streams out and back, behind the host’s address; afterwards the host is as it was', async () => {
    build()
    await serveEcho(world)
    const daemon = await start()
    expect(await pings(guest, WORLD)).toBe(true)
    await exchange(guest, WORLD)
    expect([await forwarding(), (await ruleset()).match(/masquerade/g)?.length]).toEqual(['1', 1])
    expect(await host.exec(['ip', '-br', 'addr', 'show', 'bp-lan'])).toMatch(/100\.64\.0\.1\/30 *$/m)
    // The world has no way back to anything but the host itself.
    expect(await pings(world, '100.64.0.2')).toBe(false)
    expect(await daemon.stop()).toBe(0)
    expect(await untouched()).toBe(true)
    await leavesNothing(daemon)
  })

  it('killed: the reaper gives the host back; started again: it works again', async () => {
    build()
    const daemon = await start()
    expect(await untouched()).toBe(false)
    await daemon.stop('SIGKILL')
    await eventually('the host as it was', untouched, 5000)
    await daemon.up()
    expect(await pings(guest, WORLD)).toBe(true)
  })

  it('killed with its reaper: the next start puts the host in order, also without an uplink', async () => {
    build()
    const daemon = await start()
    const pids = host.pids().filter((pid) => pid !== daemon.pid)
    for (const pid of pids) process.kill(pid, 'SIGKILL')
    await daemon.stop('SIGKILL')
    expect(await untouched()).toBe(false)
    daemon.write(plan({ uplink: 'none' }))
    await daemon.up()
    expect(await untouched()).toBe(true)
  })

  it('a reload takes the uplink away and brings it back, next to another network’s', async () => {
    build()
    const daemon = await start()
    await daemon.reload(plan({ uplink: 'none' }))
    expect([await untouched(), await pings(guest, WORLD)]).toEqual([true, false])
    const other = { mode: 'nat', subnet: '10.10.0.0/24' }
    const both = plan()
    await daemon.reload({ ...both, networks: { other, ...both.networks } })
    expect(await pings(guest, WORLD)).toBe(true)
    const links = await host.exec(['ip', '-br', '-4', 'addr'])
    expect(links).toMatch(/bp-other .*100\.64\.0\.1\/30|bp-lan .*100\.64\.0\.1\/30/)
    expect(links).toMatch(/bp-other .*100\.64\.0\.5\/30|bp-lan .*100\.64\.0\.5\/30/)
  })

  it('the link avoids what the host has, in every table', async () => {
    build()
    await host.exec(['ip', 'addr', 'add', '100.64.0.9/24', 'dev', 'wan'])
    await host.exec(['ip', 'route', 'add', '100.64.1.0/30', 'via', WORLD, 'table', '52'])
    await start()
    expect(await host.exec(['ip', '-br', 'addr', 'show', 'bp-lan'])).toMatch(/100\.64\.1\.5\/30/)
    expect(await pings(guest, WORLD)).toBe(true)
  })

  it('nat: false: the host’s tables stay empty, the world sees the link', async () => {
    build()
    await world.exec(['ip', 'route', 'add', '100.64.7.0/30', 'via', HOST])
    await start({ uplink: { host: { link: '100.64.7.0/30', nat: false } } })
    expect([await ruleset(), await pings(guest, WORLD)]).toEqual(['', true])
  })

  it('routed: the world sees the guests, and reaches them', async () => {
    build()
    await world.exec(['ip', 'route', 'add', '10.9.0.0/24', 'via', HOST])
    await serveEcho(guest)
    const daemon = await start({ mode: 'routed' })
    expect([await ruleset(), await pings(guest, WORLD), await pings(world, '10.9.0.15')]).toEqual([
      '',
      true,
      true,
    ])
    await exchange(world, '10.9.0.15')
    expect(await pings(host, '10.9.0.15')).toBe(true)
    await daemon.stop()
    expect(await host.exec(['ip', 'route'])).not.toContain('10.9.0')
  })

  it('a firewall in the way: up and doctor say which and what to run, and that opens it', async () => {
    build()
    const rules = 'table inet mine { chain fw { type filter hook forward priority 0\n policy drop\n }\n }'
    await host.exec(['nft', '-f', '-'], { input: rules })
    const before = await ruleset()
    const daemon = await start()
    expect(await pings(guest, WORLD)).toBe(false)
    const remedy = /run: (nft 'insert[^']*')/.exec(daemon.output)?.[1] ?? ''
    expect(daemon.output).toContain('(nftables, chain fw) drops what leaves between bp-lan and wan')
    const doctor = await daemon.attempt(['doctor', '-c', daemon.file])
    expect([doctor.status, doctor.stdout]).toEqual([1, expect.stringContaining(`run: ${remedy}`)])
    expect(await ruleset()).toContain(before.trim())
    await host.exec(['sh', '-c', remedy])
    expect(await pings(guest, WORLD)).toBe(true)
    expect((await daemon.attempt(['doctor', '-c', daemon.file])).status).toBe(0)
  })

  it('a read-only /proc/sys: fine where the host forwards already, else refused in one line', async () => {
    build()
    const daemon = new Daemon(plan(), host)
    const up = `mount --bind /proc/sys /proc/sys && mount -o remount,ro,bind /proc/sys && exec "$@"`
    const argv = [process.execPath, program, 'up', '-c', daemon.file]
    const refused = await host.attempt(['unshare', '-m', 'sh', '-c', up, 'sh', ...argv])
    expect([refused.status, refused.stderr.split('\n').filter((line) => !line.startsWith('{'))]).toEqual([
      1,
      [expect.stringMatching(/^bridgeport: uplink host: \/proc\/sys.* read-only; run as root/), ''],
    ])
    expect(await untouched()).toBe(true)
    await leavesNothing(daemon)
    await host.exec(['sysctl', '-qw', 'net.ipv4.ip_forward=1'])
    const child = host.spawn('unshare', '-m', 'sh', '-c', up, 'sh', ...argv)
    await says(child, /^ready$/m)
    expect(await pings(guest, WORLD)).toBe(true)
    child.kill('SIGTERM')
    await eventually('no rule', async () => (await ruleset()) === '')
  })
})

suite('the uplink nic', ['nft'], () => {
  afterEach(cleanup)

  it('a card that goes while it runs: told in one line, guests go on, and the way outside comes back with it', async () => {
    const [host, world, a, b] = ['host', 'world', 'a', 'b'].map((label) => new Namespace(label))
    const plug = () => {
      const far = ['peer', 'name', 'eth0', 'netns', world.name]
      mustSync('ip', 'link', 'add', 'wan', 'netns', host.name, 'type', 'veth', ...far)
      mustSync(...host.argv('ip', 'link', 'set', 'wan', 'up'))
      mustSync(...world.argv('ip', 'addr', 'add', `${WORLD}/24`, 'dev', 'eth0'))
      mustSync(...world.argv('ip', 'link', 'set', 'eth0', 'up'))
    }
    const pings = async (from: Namespace, to: string) =>
      (await from.attempt(['ping', '-c', '2', '-i', '0.2', '-W', '1', to])).status === 0
    plug()
    const uplink = { nic: 'wan', address: '192.0.2.9/24', gateway: WORLD }
    const tap = (guest: Namespace, number: number) => ({
      network: 'lan',
      type: 'tap',
      netns: guest.name,
      ifname: 'eth0',
      address: `10.9.0.${number}/24`,
    })
    const networks = { lan: { mode: 'nat', subnet: '10.9.0.0/24', uplink } }
    const daemon = await Daemon.start({ networks, ports: { a: tap(a, 15), b: tap(b, 16) } }, host)
    expect([await pings(a, WORLD), await host.exec(['nft', 'list', 'ruleset'])]).toEqual([true, ''])
    mustSync(...host.argv('ip', 'link', 'del', 'wan'))
    const line = 'there is no interface wan: the port waits for it'
    await eventually('a line', () => daemon.output.includes(line))
    expect([await pings(a, '10.9.0.16'), await pings(a, WORLD)]).toEqual([true, false])
    const doctor = await daemon.attempt(['doctor', '-c', daemon.file])
    expect(doctor.stdout).toContain('this machine has no card wan')
    plug()
    await eventually('the way outside', () => pings(b, WORLD))
    await daemon.stop('SIGKILL')
    await daemon.up()
    expect(await pings(a, WORLD)).toBe(true)
  })
})
