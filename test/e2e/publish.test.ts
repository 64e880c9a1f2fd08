/** Ports of guests published on the host: reached by the host itself and by its neighbours, through the daemon's sockets and the gateway. */
import { createHash, randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { cleanup } from '../lab/cleanup.ts'
import { eventually, mustSync, says } from '../lab/command.ts'
import { Daemon } from '../lab/daemon.ts'
import { folder } from '../lab/folder.ts'
import { Namespace } from '../lab/namespace.ts'
import { suite } from '../lab/peer.ts'

const HOST = '192.0.2.1'
/** The host's other address on the same LAN. */
const SECOND = '192.0.2.3'
const GATEWAY = '10.0.2.2'
const GUEST = '10.0.2.15'

/** Says who asked, over UDP. */
const echo = `
const socket = require('dgram').createSocket('udp4')
socket.on('message', (bytes, peer) => socket.send(bytes + ' from ' + peer.address, peer.port, peer.address))
socket.bind(Number(process.argv[1]), () => console.log('ready'))`

/** Sends a line over UDP and prints the answer and who gave it. */
const ask = `
const [host, port, text] = process.argv.slice(1)
const socket = require('dgram').createSocket('udp4')
socket.on('message', (bytes, peer) => { console.log(bytes + ' by ' + peer.address); process.exit() })
socket.on('error', () => process.exit(1))
setTimeout(() => process.exit(1), 8000)
socket.connect(Number(port), host, () => {
  socket.send(text)
  setInterval(() => socket.send(text), 500)
})`

suite('published ports', ['curl', 'busybox', 'iperf3'], () => {
  let daemon: Daemon
  let guest: Namespace
  let host: Namespace
  let neighbour: Namespace
  const place = folder('web')
  const page = randomBytes(8 << 20)

  beforeAll(async () => {
    guest = new Namespace('guest')
    host = new Namespace('host')
    neighbour = new Namespace('far')
    const far = ['peer', 'name', 'eth0', 'netns', neighbour.name]
    mustSync('ip', 'link', 'add', 'lan0', 'netns', host.name, 'type', 'veth', ...far)
    for (const [namespace, ifname, address] of [
      [host, 'lan0', HOST],
      [neighbour, 'eth0', '192.0.2.9'],
    ] as const) {
      await namespace.exec(['ip', 'addr', 'add', `${address}/24`, 'dev', ifname])
      await namespace.exec(['ip', 'link', 'set', ifname, 'up'])
    }
    await host.exec(['ip', 'addr', 'add', `${SECOND}/24`, 'dev', 'lan0'])
    writeFileSync(join(place, 'page'), page)
    const publish = [
      `tcp::8080-${GUEST}:80`,
      `udp::5300-${GUEST}:53`,
      `tcp:127.0.0.1:9000-9003-${GUEST}:9000-9003`,
    ]
    const lan = { mode: 'nat', subnet: '10.0.2.0/24', gateway: GATEWAY, dhcp: 'off', dns: 'off', publish }
    const tap = { network: 'lan', type: 'tap', netns: guest.name, ifname: 'eth0', address: `${GUEST}/24` }
    daemon = await Daemon.start({ networks: { lan }, ports: { guest: tap } }, host)
    await guest.attempt(['ip', 'route', 'add', 'default', 'via', GATEWAY])
    for (const port of [80, 9002, 8888]) guest.spawn('busybox', 'httpd', '-f', '-p', `${port}`, '-h', place)
    for (const port of [53, 54]) await says(guest.spawn(process.execPath, '-e', echo, `${port}`), /ready/)
  })
  afterAll(cleanup)

  const hash = (bytes: Buffer | string) => createHash('sha256').update(bytes).digest('hex')
  const fetch = (from: Namespace, url: string) =>
    from.exec(['sh', '-c', `curl -sf --max-time 10 ${url} | sha256sum | cut -c1-64`])
  const code = async (from: Namespace, url: string) =>
    (await from.attempt(['curl', '-s', '--max-time', '10', '-o', '/dev/null', url])).status

  it('are reached from the host and from its neighbours', async () => {
    for (const url of [`http://${HOST}:8080/page`, `http://${SECOND}:8080/page`])
      expect(await fetch(neighbour, url), url).toBe(`${hash(page)}\n`)
    expect(await fetch(host, 'http://127.0.0.1:8080/page')).toBe(`${hash(page)}\n`)
    expect(await fetch(host, 'http://127.0.0.1:9002/page')).toBe(`${hash(page)}\n`)
  })

  it('are closed where they were not published', async () => {
    expect(await code(neighbour, `http://${HOST}:9002/page`)).toBe(7)
    expect(await code(neighbour, `http://${HOST}:80/page`)).toBe(7)
    // Published, but the guest does not listen: the connection is reset, before or after curl looked at it.
    expect([7, 56]).toContain(await code(host, 'http://127.0.0.1:9001/page'))
  })

  it('show the guest its own gateway', async () => {
    const said = await neighbour.exec([process.execPath, '-e', ask, HOST, '5300', 'hello'])
    expect(said).toBe(`hello from ${GATEWAY} by ${HOST}\n`)
    const second = await neighbour.exec([process.execPath, '-e', ask, SECOND, '5300', 'hello'])
    expect(second).toBe(`hello from ${GATEWAY} by ${SECOND}\n`)
  })

  it('carry many connections, and uploads as well as downloads', async () => {
    for (const more of [[], ['-R'], ['-P', '16']]) {
      await says(guest.spawn('iperf3', '-s', '-1', '-p', '9000', '--forceflush'), /listening/)
      const report = JSON.parse(
        await host.exec(['iperf3', '-c', '127.0.0.1', '-p', '9000', '-t', '1', '-J', ...more]),
      )
      expect(report.end.sum_received.bytes, more.join()).toBeGreaterThan(1 << 20)
    }
  })

  it('come and go while the others stay', async () => {
    const mapping = `udp:127.0.0.1:5301-${GUEST}:54`
    await daemon.cli('publish', 'add', mapping)
    expect(await host.exec([process.execPath, '-e', ask, '127.0.0.1', '5301', 'hi'])).toMatch(/^hi from/)
    const busy = await daemon.attempt(['publish', 'add', `tcp:127.0.0.1:9003-${GUEST}:1`])
    expect(busy.status).toBe(1)
    const listen = `require('net').createServer().listen(7777, '127.0.0.1', () => console.log('ready'))`
    await says(host.spawn(process.execPath, '-e', listen), /ready/)
    const taken = await daemon.attempt(['publish', 'add', `tcp:127.0.0.1:7777-${GUEST}:1`])
    expect(taken).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/7777: the port is in use on the host; /),
    })
    await daemon.cli('publish', 'rm', mapping)
    expect((await host.attempt([process.execPath, '-e', ask, '127.0.0.1', '5301', 'hi'])).status).not.toBe(0)
    expect(await fetch(neighbour, `http://${HOST}:8080/page`)).toBe(`${hash(page)}\n`)
  })

  it('are free again when the daemon ended, also by SIGKILL', async () => {
    await daemon.stop('SIGKILL')
    await eventually('nobody listens', async () => !(await host.exec(['ss', '-ltun'])).includes(':8080'))
    await daemon.up()
    expect(await fetch(neighbour, `http://${HOST}:8080/page`)).toBe(`${hash(page)}\n`)
    expect(await daemon.stop()).toBe(0)
    expect(await host.exec(['ss', '-ltunH'])).not.toMatch(/:(8080|5300|900\d)\b/)
  })
})
