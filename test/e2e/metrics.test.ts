/** /metrics and /healthz, judged by Prometheus' own tool. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { build, FLOWS, PORTS, RULES } from '../lab/city.ts'
import { cleanup } from '../lab/cleanup.ts'
import { attempt } from '../lab/command.ts'
import { Daemon } from '../lab/daemon.ts'
import { Namespace } from '../lab/namespace.ts'
import { suite } from '../lab/peer.ts'
import { address, broadcast, experimental, lan, mac, tap } from '../lab/plan.ts'
import { frame, Witness } from '../lab/witness.ts'

suite('metrics', ['promtool', 'cap'], () => {
  let a: Namespace
  let b: Namespace
  let daemon: Daemon

  beforeAll(async () => {
    a = new Namespace('a')
    b = new Namespace('b')
    daemon = await Daemon.start({
      networks: { lan },
      ports: { a: tap(a, 11), b: tap(b, 12), off: { network: 'lan', type: 'stream' } },
    })
    await a.exec(['ping', '-c', '3', '-i', '0.1', address(12)])
  })
  afterAll(cleanup)

  /** The value of a sample, null when there is none. */
  async function sample(name: string, labels: Record<string, string>): Promise<number | null> {
    const lines = (await daemon.get('/metrics')).split('\n').filter((line) => line.startsWith(`${name}{`))
    const found = lines.find((line) =>
      Object.entries(labels).every(([key, value]) => line.includes(`${key}="${value}"`)),
    )
    return found ? Number(found.split(' ').pop()) : null
  }

  it('promtool finds nothing to complain about', async () => {
    const result = await attempt(['promtool', 'check', 'metrics'], { input: await daemon.get('/metrics') })
    expect(result.stdout + result.stderr).toBe('')
    expect(result.status).toBe(0)
  })

  it('count frames, bytes and drops by port', async () => {
    const before = (await sample('bridgeport_port_receive_frames_total', { port: 'a', network: 'lan' })) ?? 0
    const bytes = (await sample('bridgeport_port_receive_bytes_total', { port: 'a', network: 'lan' })) ?? 0
    expect(before).toBeGreaterThan(3)
    const sender = await Witness.open(a, 'eth0')
    await sender.send(frame(mac(12), mac(11), experimental, Buffer.alloc(986)), 100)
    await sender.send(frame('01:80:c2:00:00:00', mac(11), experimental), 7)
    await sender.send(frame(broadcast, mac(11), experimental))
    await daemon.port('a')
    expect(await sample('bridgeport_port_receive_frames_total', { port: 'a' })).toBeGreaterThanOrEqual(
      before + 108,
    )
    expect(await sample('bridgeport_port_receive_bytes_total', { port: 'a' })).toBeGreaterThanOrEqual(
      bytes + 100_000,
    )
    expect(await sample('bridgeport_dropped_frames_total', { port: 'a', reason: 'reserved_multicast' })).toBe(
      7,
    )
    expect(await sample('bridgeport_port_transmit_frames_total', { port: 'b' })).toBeGreaterThan(100)
  })

  it('have every name of the contract', async () => {
    const text = await daemon.get('/metrics')
    const names = [
      ...['build_info', 'port_up', 'port_receive_frames_total', 'port_receive_bytes_total'],
      ...['port_transmit_frames_total', 'port_transmit_bytes_total', 'dropped_frames_total'],
      ...['mac_entries', 'mac_capacity', 'flow_entries', 'flow_capacity', 'flows_created_total'],
      ...['nat_ports_in_use', 'nat_ports_capacity', 'rule_packets_total', 'rule_bytes_total'],
      ...['dhcp_leases', 'dhcp_capacity', 'worker_busy_seconds_total', 'worker_bursts_total'],
      ...['worker_burst_frames', 'worker_queue_delay_seconds'],
    ]
    for (const name of names) expect(text).toMatch(new RegExp(`^# TYPE bridgeport_${name} `, 'm'))
    expect(await sample('bridgeport_port_up', { port: 'a', network: 'lan' })).toBe(1)
    expect(await sample('bridgeport_mac_entries', { network: 'lan' })).toBeGreaterThanOrEqual(2)
    expect(await sample('bridgeport_mac_capacity', { network: 'lan' })).toBe(65536)
  })

  it('say at once when a port goes down, and comes up again', async () => {
    const up = async (state: string) => {
      await a.exec(['ip', 'link', 'set', 'eth0', state])
      return sample('bridgeport_port_up', { port: 'a' })
    }
    expect(await up('down')).toBe(0)
    expect(await up('up')).toBe(1)
  })

  it('tell who waits for a guest from who is down', async () => {
    expect(await sample('bridgeport_port_up', { port: 'off' })).toBe(0)
    expect(await sample('bridgeport_port_waiting', { port: 'off', network: 'lan' })).toBe(1)
    expect(await sample('bridgeport_port_waiting', { port: 'a' })).toBe(0)
  })

  it('healthz answers', async () => {
    expect(await daemon.get('/healthz')).toMatch(/ok/i)
  })

  it('the read-only door refuses to write', async () => {
    const script = `fetch('http://127.0.0.1:9477/v1/ports/a', { method: 'DELETE' }).then((r) => process.stdout.write(String(r.status)))`
    expect(await daemon.host.exec([process.execPath, '-e', script])).toMatch(/^40[345]$/)
  })

  it('of a hundred ports, ten thousand rules and a hundred thousand connections are complete', async () => {
    const city = await build()
    const began = performance.now()
    const texts = await Promise.all([city.get('/metrics'), city.get('/metrics')])
    process.stdout.write(
      `two scrapes at once, with a client each: ${(performance.now() - began).toFixed()} ms\n`,
    )
    for (const text of texts) {
      const values = (name: string) =>
        [...text.matchAll(new RegExp(`^bridgeport_${name}\\{.*\\} (\\d+)$`, 'gm'))].map(([, value]) =>
          Number(value),
        )
      expect(values('port_up').length).toBeGreaterThan(PORTS)
      expect(values('flow_entries').reduce((sum, count) => sum + count)).toBeGreaterThanOrEqual(FLOWS)
      // Three policies.
      expect(values('rule_packets_total')).toHaveLength(RULES + 3)
      expect(values('rule_packets_total').some((count) => count >= FLOWS)).toBe(true)
    }
    const result = await attempt(['promtool', 'check', 'metrics'], { input: texts[0] })
    expect(result.stdout + result.stderr).toBe('')
  }, 120_000)
})
