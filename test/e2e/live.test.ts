/** What happens, as somebody who looks on sees it: real traffic in rates, the busy connection on top, ports that come and go. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { FlowRow } from '../../src/control/flows.ts'
import { cleanup } from '../lab/cleanup.ts'
import { eventually } from '../lab/command.ts'
import type { Daemon } from '../lab/daemon.ts'
import { guestAddress, outdoors, WORLD } from '../lab/outdoors.ts'
import { suite } from '../lab/peer.ts'
import { Watcher } from '../lab/watcher.ts'

/** Datagrams of so many bytes to a port of the world, a hundred a second, until it is told to end. */
const sender = (port: number, length: number) => `const s = require('dgram').createSocket('udp4')
  const bytes = Buffer.alloc(${length}); setInterval(() => s.send(bytes, ${port}, '${WORLD}'), 10)`

suite('looking on', [], () => {
  let daemon: Daemon

  beforeAll(async () => {
    const scene = await outdoors()
    daemon = scene.daemon
    const { guests } = scene
    guests[0].spawn(process.execPath, '-e', sender(7001, 1000))
    guests[1].spawn(process.execPath, '-e', sender(7002, 40))
  })
  afterAll(cleanup)

  const watch = (query: string) => Watcher.open({ socketPath: daemon.socket }, query)

  it('shows rates that the counters agree with, and the busy connection on top', async () => {
    const watcher = await watch('?interval=500&flows=5')
    const isBusy = ({ flows }: { flows: { top: FlowRow[] } }) => flows.top.length >= 2
    await watcher.sample('both connections', isBusy)
    const before = await daemon.port('guest')
    const from = watcher.samples.length
    await eventually('more samples', () => watcher.samples.length >= from + 4)
    const since = watcher.samples.slice(from)
    const after = await daemon.port('guest')
    // Asking for counters takes its time, too: the samples' time lies between, give or take one.
    const seen = since.reduce((sum, { ports, seconds }) => sum + (ports.guest?.[0] ?? 0) * seconds, 0)
    const counted = after.rxFrames - before.rxFrames
    expect(seen).toBeGreaterThan(counted / 3)
    expect(seen).toBeLessThan(counted * 3)
    const [first, second] = since[0].flows.top
    expect([first.original.source, first.original.destinationPort]).toEqual([guestAddress(0), 7001])
    expect([second.original.source, second.original.destinationPort]).toEqual([guestAddress(1), 7002])
    expect(first.byteRate).toBeGreaterThan(second.byteRate * 3)
    expect(first.byteRate / first.packetRate).toBeCloseTo(1028, -2)
    expect(since[0].flows.count).toBeGreaterThanOrEqual(2)
    expect(since[0].workers[0].busy).toBeGreaterThan(0)
    expect(since[0].ports['lan-uplink'][2]).toBeGreaterThan(0)
    watcher.close()
  })

  it('finds a connection by words', async () => {
    const found = async (search: string) => {
      const rows: FlowRow[] = JSON.parse(await daemon.cli('conntrack', 'ls', '--json', '--search', search))
      return rows.map(({ original }) => original.destinationPort)
    }
    expect(await found(`udp ${WORLD}:7001 lan`)).toEqual([7001])
    expect((await found('10.0.2.0/24 192.0.2.10')).sort()).toEqual([7001, 7002])
    expect(await found(guestAddress(1))).toEqual([7002])
    expect(await found('tcp')).toEqual([])
    const refused = await daemon.attempt(['conntrack', 'ls', '--search', 'moon'])
    expect(refused.status).toBe(1)
    expect(refused.stderr).toMatch(/search: found "moon", expected an address, .* or a network\n$/)
  })

  it('shows a port that is added, a guest whose interface goes down, and a capture', async () => {
    const watcher = await watch('?interval=250&flows=0')
    await daemon.cli('port', 'add', 'late', '--network', 'lan', '--type', 'tap')
    const has = (state: string) => (picture: { ports: { name: string; state: string }[] }) =>
      picture.ports.some((port) => port.name === 'late' && port.state === state)
    await watcher.picture('the new port', has('up'))
    await daemon.host.exec(['ip', 'link', 'set', 'late', 'down'])
    await watcher.picture('that it is down', has('down'))
    const capture = daemon.host.spawn(process.execPath, '-e', captureOf(daemon.socket))
    await watcher.sample('the capture', ({ captures }) => captures === 1)
    capture.kill()
    await eventually('its end', () => watcher.samples.at(-1)?.captures === 0)
    expect(watcher.samples.every(({ flows }) => flows.top.length === 0)).toBe(true)
    watcher.close()
  })

  it('is served on http with the page, and to no other site', async () => {
    const script = `const [url, ...headers] = process.argv.slice(1)
      fetch(url, { headers: Object.fromEntries(headers.map((each) => each.split('='))) }).then(async (r) => {
        const { value } = await r.body.getReader().read()
        console.log(r.status, r.headers.get('content-type'), Buffer.from(value).toString().split('\\n')[0]); process.exit() })`
    const fetched = (path: string, ...headers: string[]) =>
      daemon.host.exec([process.execPath, '-e', script, `http://127.0.0.1:9477${path}`, ...headers])
    expect(await fetched('/v1/live')).toBe('200 text/event-stream retry: 2000\n')
    expect(await fetched('/')).toMatch(/^200 text\/html; charset=utf-8 <!doctype html>/i)
    expect(await fetched('/v1/live', 'origin=http://evil.example')).toMatch(/^403 /)
  })

  it('ends with the daemon, also for who does not read', async () => {
    const watchers = await Promise.all(Array.from({ length: 8 }, () => watch('?interval=250&flows=100')))
    watchers[0].pause()
    await eventually('samples', () => watchers.slice(1).every(({ samples }) => samples.length > 2))
    expect(await daemon.stop()).toBe(0)
    await eventually('the ends of streams', () => watchers.slice(1).every(({ isOver }) => isOver))
  })
})

/** Asks for all frames and reads them until it is killed. */
function captureOf(socketPath: string): string {
  const options = JSON.stringify({ socketPath, path: '/v1/capture' })
  return `require('http').get(${options}, (response) => response.resume())`
}
