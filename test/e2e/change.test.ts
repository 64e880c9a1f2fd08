/** Gateways while they change: processes come with published ports and go, networks and mappings are added, a reload disturbs nobody. */
import { spawn } from 'node:child_process'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { cleanup, defer } from '../lab/cleanup.ts'
import { eventually, mustSync, says } from '../lab/command.ts'
import { Daemon, program } from '../lab/daemon.ts'
import { Namespace } from '../lab/namespace.ts'
import { suite } from '../lab/peer.ts'

const HOST = '192.0.2.1'
const OUTSIDE = '192.0.2.9'
/** Says who asked. */
const page = `require('http').createServer((q, r) => r.end(q.socket.remoteAddress + '\\n')).listen(Number(process.argv[1]), '0.0.0.0', () => console.log('begun'))`
/** Echoes lines for ever. */
const echo = `require('net').createServer((s) => { s.on('error', () => {}); s.pipe(s) }).listen(7, '0.0.0.0')`
/** Sends a line ten times a second and counts those that come back. */
const talk = `
const socket = require('net').connect(7, process.argv[1])
let count = 0
socket.on('data', () => console.log('line ' + ++count))
socket.on('connect', () => setInterval(() => socket.write('x'), 100))
socket.on('error', (error) => { console.log('lost ' + error.code); process.exit(1) })
socket.on('close', () => { console.log('lost'); process.exit(1) })`

suite('gateways while they change', ['curl', 'ping', 'dig'], () => {
  let daemon: Daemon
  let guest: Namespace
  let outside: Namespace
  let networks: Record<string, object>
  let ports: Record<string, object>

  const curl = (from: Namespace, url: string) => from.attempt(['curl', '-s', '-m', '5', url])
  const pings = async (address: string) =>
    (await guest.attempt(['ping', '-c', '1', '-W', '1', address])).status === 0
  const rows = async (...noun: string[]) =>
    JSON.parse(await daemon.cli(...noun, 'ls', '--json')) as Record<string, string>[]

  /** `bridgeport run` of a server, once it listens; its end is awaited by `close`. */
  async function serve(...options: string[]) {
    const own = [process.execPath, program, '--socket', daemon.socket, 'run', '--network', 'default']
    const argv = daemon.host.argv(...own, ...options, '--', process.execPath, '-e', page, '8000')
    const child = spawn(argv[0] as string, argv.slice(1))
    defer(() => child.kill('SIGKILL'))
    await says(child, /begun/)
    return child
  }

  beforeAll(async () => {
    guest = new Namespace('guest')
    outside = new Namespace('far')
    networks = { default: { mode: 'nat', subnet: '10.0.2.0/24', gateway: '10.0.2.2' } }
    ports = { a: { network: 'default', type: 'tap', netns: guest.name, ifname: 'eth0', address: 'dhcp' } }
    daemon = new Daemon({ networks, ports })
    const far = ['peer', 'name', 'eth0', 'netns', outside.name]
    mustSync('ip', 'link', 'add', 'lan0', 'netns', daemon.host.name, 'type', 'veth', ...far)
    for (const [namespace, ifname, address] of [
      [daemon.host, 'lan0', HOST],
      [outside, 'eth0', OUTSIDE],
    ] as const) {
      await namespace.exec(['ip', 'addr', 'add', `${address}/24`, 'dev', ifname])
      await namespace.exec(['ip', 'link', 'set', ifname, 'up'])
    }
    outside.spawn(process.execPath, '-e', echo)
    await daemon.up()
  })
  afterAll(cleanup)

  it('a process has an address, a route, a name server, and is reached from outside while it lives', async () => {
    const child = await serve(
      '--name',
      'shop',
      '--publish',
      '9090:8000',
      '--publish',
      '192.0.2.1:9091:8000/tcp',
    )
    expect((await curl(outside, `http://${HOST}:9090/`)).stdout).toBe('10.0.2.2\n')
    expect((await curl(outside, `http://${HOST}:9091/`)).stdout).toBe('10.0.2.2\n')
    expect((await curl(daemon.host, 'http://127.0.0.1:9091/')).status).not.toBe(0)
    const look = [
      'cat /etc/resolv.conf',
      'ip route',
      'dig +short +search shop',
      'dig +short +tcp shop.default.internal',
    ]
    const seen = await daemon.cli('run', '--network', 'default', '--', 'sh', '-c', look.join('; '))
    expect(seen).toContain('search default.internal\nnameserver 10.0.2.2\n')
    expect(seen).toContain('default via 10.0.2.2 dev eth0')
    const [shop] = (await rows('port')).filter(({ name }) => name === 'shop')
    expect(seen.match(new RegExp(`^${shop?.address?.split('/')[0]}$`, 'gm'))).toHaveLength(2)
    expect((await rows('publish')).map(({ origin }) => origin)).toEqual(['run', 'run'])
    const closed = new Promise((resolve) => child.once('close', resolve))
    child.kill('SIGTERM')
    await closed
    expect(await rows('publish')).toEqual([])
    expect(await rows('lease')).toHaveLength(1)
    expect((await curl(outside, `http://${HOST}:9090/`)).status).not.toBe(0)
  })

  it('what cannot be published is refused in one line, and nothing of the process stays', async () => {
    daemon.host.spawn(process.execPath, '-e', page, '9092')
    await eventually(
      'the port is taken',
      async () => (await curl(daemon.host, 'http://127.0.0.1:9092/')).status === 0,
    )
    const attempt = (text: string) =>
      daemon.attempt(['run', '--network', 'default', '--publish', text, '--', 'true'])
    for (const [text, line] of [
      ['9092:80', /in use on the host/],
      ['192.0.2.7:9093:80', /the host has no address 192\.0\.2\.7/],
      ['80', /\[IP:\]PORT:PORT/],
    ] as const) {
      const { status, stderr } = await attempt(text)
      expect([text, status, stderr.trim().split('\n').length]).toEqual([text, 1, 1])
      expect(stderr).toMatch(line)
    }
    expect((await rows('port')).map(({ name }) => name)).toEqual(['a'])
    expect(await rows('publish')).toEqual([])
  })

  it('a connection through the gateway outlives reloads that change everything else', async () => {
    const child = guest.spawn(process.execPath, '-e', talk, OUTSIDE)
    let said = ''
    child.stdout?.on('data', (text) => {
      said += text
    })
    const lines = () => said.match(/line/g)?.length ?? 0
    await eventually('lines come back', () => lines() > 3)
    const lab = { mode: 'host-only', subnet: '10.0.9.0/24' }
    const open = { mode: 'routed', subnet: '10.0.8.0/24' }
    await daemon.reload({ networks: { lab, ...networks, open }, ports })
    await daemon.cli('publish', 'add', 'tcp::9094-10.0.2.20:80')
    await daemon.reload({ networks, ports })
    await daemon.cli('publish', 'rm', 'tcp::9094-10.0.2.20:80')
    const before = lines()
    await eventually('lines still come back', () => lines() > before + 3)
    expect(said).not.toContain('lost')
    child.kill('SIGKILL')
  })

  it('between networks nothing passes, but into a routed one', async () => {
    const [b, c] = [new Namespace('b'), new Namespace('c')]
    const other = (namespace: Namespace, network: string, address: string) => ({
      network,
      type: 'tap',
      netns: namespace.name,
      ifname: 'eth0',
      address,
    })
    const shut = { mode: 'nat', subnet: '10.0.7.0/24' }
    const open = { mode: 'routed', subnet: '10.0.8.0/24' }
    const more = { b: other(b, 'shut', '10.0.7.20/24'), c: other(c, 'open', '10.0.8.20/24') }
    await daemon.reload({ networks: { ...networks, shut, open }, ports: { ...ports, ...more } })
    expect(await pings('10.0.8.20')).toBe(true)
    expect(await pings('10.0.7.20')).toBe(false)
    const drops = (await daemon.port('a')).drops
    expect(drops.prohibited).toBeGreaterThan(0)
    expect((await outside.attempt(['ping', '-c', '1', '-W', '1', '10.0.8.20'])).status).not.toBe(0)
    await outside.exec(['ip', 'route', 'add', '10.0.8.0/24', 'via', HOST])
    expect((await outside.attempt(['ping', '-c', '1', '-W', '2', '10.0.8.20'])).status).toBe(0)
    await daemon.reload({ networks, ports })
  })

  it('the host is reached as the gateway, and not at all without hostAccess', async () => {
    daemon.host.spawn(process.execPath, '-e', page, '9095')
    const asked = () => curl(guest, 'http://10.0.2.2:9095/')
    await eventually('the host answers', async () => (await asked()).stdout === '100.64.0.2\n')
    const closed = { default: { ...networks.default, hostAccess: false } }
    await daemon.reload({ networks: closed, ports })
    expect((await asked()).status).not.toBe(0)
    expect((await curl(guest, `http://${HOST}:9095/`)).status).not.toBe(0)
    expect(await pings(OUTSIDE)).toBe(true)
    await daemon.host.exec(['ip', 'addr', 'add', '192.0.2.77/24', 'dev', 'lan0'])
    await eventually('a new address of the host is closed too', async () => !(await pings('192.0.2.77')))
    await daemon.reload({ networks, ports })
    await eventually('the host answers again', async () => (await asked()).status === 0)
  })

  it('what the command line published survives a restart, and is taken back there only', async () => {
    await daemon.cli('publish', 'add', 'tcp::9096-10.0.2.20:80')
    expect(await daemon.stop()).toBe(0)
    await daemon.up()
    expect(await rows('publish')).toMatchObject([
      { publish: 'tcp::9096-10.0.2.20:80', origin: 'runtime', state: 'up' },
    ])
    const written = { default: { ...networks.default, publish: ['tcp::9096-10.0.2.21:80'] } }
    daemon.write({ networks: written, ports })
    const refused = await daemon.attempt(['reload'])
    expect([refused.status, refused.stderr.trim().split('\n')]).toEqual([
      1,
      [expect.stringContaining('expected other ports')],
    ])
    await daemon.cli('publish', 'rm', 'tcp::9096-10.0.2.20:80')
    await daemon.cli('reload')
    const { status, stderr } = await daemon.attempt(['publish', 'rm', 'tcp::9096-10.0.2.21:80'])
    expect([status, stderr]).toEqual([1, expect.stringContaining('edit the file')])
  })
})
