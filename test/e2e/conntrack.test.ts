/** Connections as real kernels make them: listed, counted, flushed, and kept through a flood. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { FlowRow } from '../../src/control/flows.ts'
import { cleanup } from '../lab/cleanup.ts'
import { eventually, mustSync } from '../lab/command.ts'
import { Daemon } from '../lab/daemon.ts'
import { Namespace } from '../lab/namespace.ts'
import { suite } from '../lab/peer.ts'

const GATEWAY = '10.0.2.2'
const GUEST = '10.0.2.15'
const WORLD = '192.0.2.1'
const OUTSIDE = '192.0.2.10'
const CAPACITY = 1024

/** Answers every line with the same in upper case. */
const server = `require('net').createServer((s) => s.on('data', (d) => s.write(String(d).toUpperCase())).on('error', () => {}))
  .listen(7000, () => console.log('ready'))`
/** Sends what it reads on stdin, and prints what comes back. */
const client = `const s = require('net').connect(7000, '${WORLD}', () => console.log('connected'))
  s.on('data', (d) => process.stdout.write(d)); process.stdin.on('data', (d) => s.write(d))`
/** One datagram to each of many ports. */
const flood = (count: number) => `const s = require('dgram').createSocket('udp4'); let sent = 0
  for (let port = 1; port <= ${count}; port++) s.send('x', 20000 + port, '${WORLD}', () => { if (++sent === ${count}) s.close() })`
/** Says so when a datagram is refused. */
const refused = `const s = require('dgram').createSocket('udp4')
  s.connect(9, '${WORLD}', () => { s.on('error', (e) => { console.log(e.code); s.close() }); s.send('x') })`

suite('connections through the gateway', ['conntrack'], () => {
  let guest: Namespace
  let daemon: Daemon
  let heard = ''
  let say: (text: string) => void

  beforeAll(async () => {
    guest = new Namespace('guest')
    const world = new Namespace('world')
    const host = new Namespace('host')
    const far = ['peer', 'name', 'eth0', 'netns', world.name]
    mustSync('ip', 'link', 'add', 'up0', 'netns', host.name, 'type', 'veth', ...far)
    mustSync(...host.argv('ip', 'link', 'set', 'up0', 'up'))
    mustSync(...world.argv('ip', 'link', 'set', 'eth0', 'up'))
    mustSync(...world.argv('ip', 'addr', 'add', `${WORLD}/24`, 'dev', 'eth0'))
    const uplink = { nic: 'up0', address: `${OUTSIDE}/24`, gateway: WORLD }
    const lan = { mode: 'nat', subnet: '10.0.2.0/24', gateway: GATEWAY, dhcp: 'off', dns: 'off', uplink }
    const port = { network: 'lan', type: 'tap', netns: guest.name, ifname: 'eth0', address: `${GUEST}/24` }
    const conntrack = { capacity: CAPACITY, timeouts: { icmp: '2s' } }
    daemon = await Daemon.start({ networks: { lan }, ports: { guest: port }, conntrack }, host)
    await guest.attempt(['ip', 'route', 'add', 'default', 'via', GATEWAY])
    const listening = world.spawn(process.execPath, '-e', server)
    await eventually('the server', () => new Promise((resolve) => listening.stdout?.once('data', resolve)))
    const connected = guest.spawn(process.execPath, '-e', client)
    connected.stdout?.on('data', (text) => {
      heard += text
    })
    say = (text) => connected.stdin?.write(text)
    await eventually('the connection', () => heard.includes('connected'))
  })
  afterAll(cleanup)

  const rows = async (...options: string[]): Promise<FlowRow[]> =>
    JSON.parse(await daemon.cli('conntrack', 'ls', '--json', ...options))
  const answered = (text: string) => {
    say(text)
    return eventually(`the answer to ${text}`, () => heard.includes(text.toUpperCase()))
  }
  const metric = async (start: string) =>
    (await daemon.get('/metrics')).split('\n').find((line) => line.startsWith(start))

  it('lists a connection with both of its sides', async () => {
    await answered('hello')
    const [row] = await rows('--protocol', 'tcp')
    expect(row).toMatchObject({ network: 'lan', egress: 'lan-uplink', state: 'ESTABLISHED', assured: true })
    expect(row.original).toMatchObject({ source: GUEST, destination: WORLD, destinationPort: 7000 })
    expect(row.reply).toMatchObject({ source: WORLD, destination: OUTSIDE, sourcePort: 7000 })
    expect(row.original.packets).toBeGreaterThanOrEqual(3)
    expect(row.original.bytes).toBe(row.original.packets * 52 + 8 + 5)
    expect(row.timeoutSeconds).toBeGreaterThan(431_000)
    const lines = (await daemon.cli('conntrack', 'ls', '--protocol', 'tcp')).trim().split('\n')
    expect(lines).toHaveLength(1)
    expect(lines[0]).toMatch(
      /^tcp {6}6 \d+ ESTABLISHED src=10\.0\.2\.15 dst=192\.0\.2\.1 sport=\d+ dport=7000 packets=\d+ bytes=\d+ src=192\.0\.2\.1 dst=192\.0\.2\.10 sport=7000 dport=\d+ packets=\d+ bytes=\d+ \[ASSURED\] mark=0 use=1$/,
    )
  })

  it('counts connections, and ends those that time out', async () => {
    const ping = guest.spawn('ping', '-i', '0.5', WORLD)
    await eventually('the ping', async () => (await rows('--protocol', 'icmp'))[0]?.replied)
    expect(await rows('--protocol', 'icmp')).toMatchObject([{ replied: true, original: { type: 8 } }])
    expect(await metric('bridgeport_flow_entries{network="lan",protocol="icmp"')).toMatch(/REPLIED"} 1$/)
    expect(await metric('bridgeport_flow_capacity')).toBe(`bridgeport_flow_capacity ${CAPACITY}`)
    ping.kill('SIGKILL')
    await eventually('the end of the ping', async () => (await rows('--protocol', 'icmp')).length === 0)
    expect(Number((await metric('bridgeport_flows_created_total'))?.split(' ')[1])).toBeGreaterThanOrEqual(2)
  })

  it('tells a guest that its datagram was refused', async () => {
    expect(await guest.exec([process.execPath, '-e', refused])).toBe('ECONNREFUSED\n')
  })

  it('forgets what it is told to, and picks up connections that go on', async () => {
    await guest.exec(['ping', '-c', '1', WORLD])
    expect(await daemon.cli('conntrack', 'flush', '--protocol', 'icmp')).toBe('')
    expect(await rows('--protocol', 'icmp')).toEqual([])
    expect(await rows('--protocol', 'tcp')).toHaveLength(1)
    await daemon.cli('conntrack', 'flush')
    expect(await rows()).toEqual([])
    await answered('again')
    expect(await rows('--protocol', 'tcp')).toMatchObject([{ state: 'ESTABLISHED' }])
    for (const wrong of [
      ['--protocol', 'nonsense'],
      ['--source', '10.0.2'],
    ])
      expect((await daemon.attempt(['conntrack', 'flush', ...wrong])).status).toBe(1)
  })

  it('keeps a connection through a flood that fills the table many times', async () => {
    await answered('before')
    await guest.exec([process.execPath, '-e', flood(20 * CAPACITY)])
    expect((await rows()).length).toBeLessThanOrEqual(CAPACITY)
    expect((await rows('--limit', '7')).length).toBe(7)
    await answered('after')
    expect((await rows('--protocol', 'tcp'))[0].original.packets).toBeGreaterThan(2)
  })
})
