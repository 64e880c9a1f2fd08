/** A switch and its guests without root: the daemon, QEMU and the command line are processes of an ordinary user. */
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { cleanup } from '../lab/cleanup.ts'
import { says } from '../lab/command.ts'
import { Daemon, leavesNothing, program } from '../lab/daemon.ts'
import { Guest } from '../lab/guest.ts'
import { Ordinary } from '../lab/ordinary.ts'
import { qemu, suite } from '../lab/peer.ts'
import { mac } from '../lab/plan.ts'

const lab = { mode: 'internal', subnet: '10.40.0.0/24' }
const far = { mode: 'nat', subnet: '10.41.0.0/24', uplink: 'none' }

/** Sockets below a folder. */
function sockets(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isSocket())
    .map(({ name }) => name)
    .sort()
}

suite('guests of an ordinary user', ['setpriv', ...qemu], () => {
  let host: Ordinary
  let daemon: Daemon
  let guests: Guest[] = []

  beforeAll(async () => {
    host = new Ordinary('user')
    const ports = {
      a: { network: 'lab', type: 'stream' },
      b: { network: 'lab', type: 'dgram' },
      c: { network: 'lab', type: 'vhost-user' },
    }
    daemon = await Daemon.start({ networks: { lab, far }, ports }, host)
    const at = (name: string) => join(daemon.folder, name)
    const boot = (plug: Parameters<typeof Guest.boot>[0]['plug'], number: number) =>
      Guest.boot({ host, plug, mac: mac(number), address: 'dhcp' })
    guests = await Promise.all([
      boot({ type: 'stream', path: at('a.sock'), role: 'client' }, 1),
      boot({ type: 'dgram', path: at('b-qemu.sock'), peer: at('b.sock') }, 2),
      boot({ type: 'vhost-user', path: at('c.sock'), role: 'client' }, 3),
    ])
  })
  afterAll(cleanup)

  it('lease addresses, reach their gateway, and exchange data with each other by TCP', async () => {
    const addresses = guests.map(({ address }) => address)
    expect(new Set(addresses.map((each) => each.split('.').slice(0, 3).join('.')))).toEqual(
      new Set(['10.40.0']),
    )
    expect(new Set(addresses).size).toBe(3)
    for (const [index, guest] of guests.entries()) {
      await guest.exec('ping -c 2 -i 0.2 10.40.0.1')
      const other = guests[(index + 1) % 3] as Guest
      await guest.exec(`ping -c 1 ${other.address} && [ "$(wget -q -O - http://${other.address}/)" = guest ]`)
      const file = 'head -c 300000 /dev/urandom > /tmp/sent'
      await guest.exec(`${file}; nc ${other.address} 7 < /tmp/sent > /tmp/back; cmp /tmp/sent /tmp/back`)
    }
    await guests[0]?.exec('nslookup gateway.lab.internal 10.40.0.1')
  })

  it('obey rules, and everything is looked at without root', async () => {
    const [a, b] = guests as [Guest, Guest]
    await daemon.cli('network', 'ls')
    expect((await daemon.ports()).map(({ state }) => state)).toEqual(['up', 'up', 'up'])
    const leases = JSON.parse(await daemon.cli('lease', 'ls', '--json')) as { address: string }[]
    expect(leases.map(({ address }) => address).sort()).toEqual(guests.map(({ address }) => address).sort())
    const rules = '*filter\n-A INPUT -p icmp -j DROP\nCOMMIT\n'
    expect(await daemon.attempt(['rules', 'restore'], { input: rules })).toMatchObject({ status: 0 })
    await expect(a.exec('ping -c 1 -W 1 10.40.0.1')).rejects.toThrow('ended with 1')
    await a.exec(`ping -c 1 ${b.address}`)
  })

  it('a port comes, goes and comes back while they talk', async () => {
    const args = await daemon.cli('port', 'add', 'd', '--network', 'far', '--type', 'stream')
    expect(args).toContain(`path=${join(daemon.folder, 'd.sock')}`)
    await daemon.cli('port', 'rm', 'd')
    expect(sockets(daemon.folder)).not.toContain('d.sock')
    await guests[0]?.exec(`ping -c 1 ${guests[2]?.address}`)
  })

  it('nothing is left of it, whether it is told to end or killed', async () => {
    for (const guest of guests) await guest.stop()
    await daemon.cli('down')
    await leavesNothing(daemon)
    expect(sockets(daemon.folder)).toEqual(['b-qemu.sock']) // QEMU's own
    await daemon.up()
    await daemon.stop('SIGKILL')
    await leavesNothing(daemon)
    expect(sockets(daemon.folder)).toEqual(['b-qemu.sock']) // QEMU's own
  })
})

suite('a switch of an ordinary user', ['setpriv'], () => {
  let host: Ordinary
  beforeAll(() => {
    host = new Ordinary('home')
  })
  afterAll(cleanup)

  it('lives in its own places when nobody says where, and is found there', async () => {
    const file = join(host.home, 'own.yaml')
    writeFileSync(file, JSON.stringify({ http: 'off', networks: { lab } }))
    const child = host.spawn(process.execPath, program, 'up', '-c', file)
    const text = await says(child, /^ready$/m)
    expect(text.match(/DNS answers over UDP only: CAP_NET_ADMIN, CAP_SYS_ADMIN missing/g)).toHaveLength(1)
    const status = JSON.parse(await host.exec([process.execPath, program, 'status', '--json']))
    expect(status).toMatchObject({
      socket: join(host.runtime, 'bridgeport/bridgeport.sock'),
      state: join(host.home, '.local/state/bridgeport'),
    })
    await host.exec([process.execPath, program, 'port', 'add', 'vm', '--network', 'lab', '--type', 'stream'])
    expect(existsSync(join(status.state, 'runtime.yaml'))).toBe(true)
    expect(sockets(join(host.runtime, 'bridgeport'))).toEqual(['bridgeport.sock', 'vm.sock'])
    const doctor = await host.exec([process.execPath, program, 'doctor', '-c', file])
    expect(doctor).toContain(
      'CAP_NET_ADMIN, CAP_NET_RAW, CAP_SYS_ADMIN missing, which this configuration does not need',
    )
    await host.exec([process.execPath, program, 'port', 'rm', 'vm'])
    await host.exec([process.execPath, program, 'down'])
    expect(sockets(join(host.runtime, 'bridgeport'))).toEqual([])
  })

  const port = (type: string, more: object = {}) => ({
    networks: { lab },
    ports: { x: { network: 'lab', type, ...more } },
  })
  it.each([
    [
      'a TAP',
      port('tap'),
      /^port x: type tap needs CAP_NET_ADMIN; .* or plug it in by type stream, dgram or vhost-user/,
    ],
    ['a TUN', port('tun', { address: '10.40.0.9/24' }), /^port x: type tun needs CAP_NET_ADMIN; /],
    [
      'a TAP elsewhere',
      port('tap', { netns: '/proc/1/ns/net' }),
      /^.*: (type tap needs CAP_NET_ADMIN and CAP_SYS_ADMIN; |.*right)/,
    ],
    ["QEMU's TAP", port('qemu-tap'), /^port x: type qemu-tap needs CAP_NET_ADMIN and CAP_NET_RAW; /],
    ['a card', port('nic', { device: 'lo' }), /^port x: type nic needs CAP_NET_RAW; /],
    [
      'a way outside',
      { networks: { far: { ...far, uplink: 'host' } } },
      /^network far: its uplink needs CAP_NET_ADMIN; .* or write uplink: none$/,
    ],
    [
      'a card outside',
      { networks: { far: { ...far, uplink: { nic: 'lo' } } } },
      /^network far: its uplink needs CAP_NET_RAW; .* or write uplink: none$/,
    ],
    [
      'the host',
      { networks: { lab: { ...lab, mode: 'host-only' } } },
      /^network lab: its interface on the host needs CAP_NET_ADMIN; .* or write mode: internal without host:$/,
    ],
  ])('%s is refused with the right that it needs and the way without', async (_, wanted, line) => {
    const file = join(host.home, 'wanted.yaml')
    writeFileSync(file, JSON.stringify({ http: 'off', ...wanted }))
    const { status, stderr } = await host.attempt([process.execPath, program, 'up', '-c', file])
    const lines = stderr.split('\n').filter((each) => each !== '' && !each.startsWith('{'))
    expect([status, lines.length]).toEqual([1, 1])
    expect(lines[0]?.replace(/^bridgeport: /, '')).toMatch(line)
    expect(sockets(join(host.runtime, 'bridgeport'))).toEqual([])
  })

  it('npm start without rights: a line with what to run, and the example that it names runs', async () => {
    const start = [process.execPath, 'scripts/start.mjs']
    const refused = await host.attempt(start)
    expect([refused.status, refused.stdout]).toEqual([1, ''])
    const named = /npm start -- (-c \S+)$/m.exec(refused.stderr)?.[1]?.split(' ') ?? []
    const child = host.spawn(...start, ...named)
    const text = await says(child, /Ctrl-C/)
    expect(text).toContain('--network lab --type stream')
    const closed = new Promise((resolve) => child.once('close', resolve))
    child.kill('SIGINT')
    expect(await closed).toBe(0)
    expect(sockets(join(host.runtime, 'bridgeport'))).toEqual([])
  })
})
