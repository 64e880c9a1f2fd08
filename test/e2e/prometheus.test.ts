/** What docs/ offers for Prometheus and Grafana, tried with a real Prometheus at a switch with traffic. */
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { parse } from 'yaml'
import { cleanup } from '../lab/cleanup.ts'
import { attempt, eventually, mustSync, pause } from '../lab/command.ts'
import { Daemon } from '../lab/daemon.ts'
import { Namespace } from '../lab/namespace.ts'
import { suite } from '../lab/peer.ts'
import { address, lan, tap } from '../lab/plan.ts'
import { Prometheus } from '../lab/prometheus.ts'
import { root } from '../style/source.ts'

interface Panel {
  type: string
  title: string
  targets?: { expr: string }[]
}

interface Dashboard {
  panels: Panel[]
  templating: { list: { name: string; definition?: string }[] }
  annotations: { list: { expr: string }[] }
}

interface Alert {
  alert: string
  expr: string
}

/** Between two samples of a counter a second passes at most. */
const RANGE = '[10s]'
const alertsFile = join(root, 'docs/alerts.yml')
const dashboard: Dashboard = JSON.parse(readFileSync(join(root, 'docs/grafana.json'), 'utf8'))
const alerts = (parse(readFileSync(alertsFile, 'utf8')) as { groups: { rules: Alert[] }[] }).groups.flatMap(
  ({ rules }) => rules,
)
const panels = dashboard.panels.flatMap(({ type, title, targets = [] }) =>
  targets.map(({ expr }) => ({ where: `${type} ${title}`, expr: plain(expr) })),
)

/** An expression of the dashboard as Grafana sends it, everything being chosen. */
function plain(expression: string): string {
  return expression
    .replaceAll(/\[\$__(rate_interval|range)\]/g, RANGE)
    .replaceAll(/\$(instance|network|port)\b/g, '.*')
}

function names(expression: string): string[] {
  return expression.match(/\b(bridgeport|process|nodejs|scrape)_\w+|\bup\b/g) ?? []
}

suite('Prometheus', ['prometheus', 'promtool', 'python3'], () => {
  let daemon: Daemon
  let prometheus: Prometheus

  beforeAll(async () => {
    const [host, a, guest] = ['host', 'a', 'guest'].map((label) => new Namespace(label)) as [
      Namespace,
      Namespace,
      Namespace,
    ]
    mustSync(...host.argv('ip', 'route', 'add', 'blackhole', '198.18.0.0/15'))
    const path = join(host.folder('socket'), 'loose.sock')
    daemon = await Daemon.start(
      {
        networks: { lan, out: { mode: 'nat', subnet: '10.9.0.0/24', gateway: '10.9.0.1' } },
        ports: {
          a: tap(a, 11),
          guest: { network: 'out', type: 'tap', netns: guest.name, ifname: 'eth0', address: 'dhcp' },
          loose: { network: 'lan', type: 'stream', path, role: 'server' },
        },
      },
      host,
    )
    const rule = '-A FORWARD -m comment --comment "back\\\\slash and \\"quotes\\"" -j ACCEPT'
    await daemon.attempt(['rules', 'restore'], { input: `*filter\n${rule}\nCOMMIT\n` })
    prometheus = await Prometheus.start(host, '127.0.0.1:9477', alertsFile)
    a.spawn('ping', '-q', '-i', '0.2', address(1))
    guest.spawn('ping', '-q', '-i', '0.2', '198.18.0.1')
    // Nobody has that address, and no frame is as long as that.
    a.spawn('ping', '-q', '-b', '-i', '0.2', '255.255.255.255', '-I', 'eth0')
    const peer = connect(path).on('error', () => {})
    await new Promise((resolve) => peer.write(Buffer.alloc(16, 0xff), resolve))
    await eventually(
      'traffic was scraped',
      async () => {
        const expressions = [
          'bridgeport_dropped_frames_total',
          'bridgeport_port_faults_total',
          'bridgeport_flow_entries',
        ]
        const found = await prometheus.query(expressions)
        return found.every((series) => series.length > 0)
      },
      20_000,
    )
    await pause(3000)
  })
  afterAll(cleanup)

  it('finds rules and their tests in order', async () => {
    for (const words of [
      ['check', 'rules', alertsFile],
      ['test', 'rules', join(root, 'test/e2e/alerts.yml')],
    ])
      expect(await attempt(['promtool', ...words])).toMatchObject({ status: 0 })
    expect((await prometheus.rules()).filter(({ health }) => health !== 'ok')).toEqual([])
    expect(await prometheus.rules()).toHaveLength(alerts.length)
  })

  it('scrapes every sample', async () => {
    const text = await daemon.get('/metrics')
    const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
    const [[up], [scraped], rules] = await prometheus.query([
      'up',
      'scrape_samples_scraped',
      'bridgeport_rule_packets_total{table="filter",chain="FORWARD",rule!="policy"}',
    ])
    expect(up?.value).toBe(1)
    expect(Math.abs((scraped?.value ?? 0) - lines.length)).toBeLessThan(20)
    expect(rules.map(({ metric }) => metric.rule)).toEqual(['back\\slash and "quotes"'])
    expect(rules[0]?.value).toBeGreaterThan(0)
  })

  it('has every metric that dashboard and alerts name', async () => {
    const { templating, annotations } = dashboard
    const others = [...templating.list.flatMap(({ definition = '' }) => definition)]
    const expressions = [...panels, ...alerts, ...annotations.list].map(({ expr }) => expr)
    const known = new Set(await prometheus.names())
    expect([...expressions, ...others].flatMap(names).filter((name) => !known.has(name))).toEqual([])
  })

  it('gives every panel data, and understands every alert', async () => {
    const found = await prometheus.query(panels.map(({ expr }) => expr))
    const empty = panels.filter((_, index) => !found[index]?.some(({ value }) => !Number.isNaN(value)))
    expect(empty).toEqual([])
    const others = [...dashboard.annotations.list, ...alerts].map(({ expr }) => plain(expr))
    expect(await prometheus.query(others)).toHaveLength(others.length)
  })

  it('sees histograms that add up', async () => {
    for (const name of ['burst_frames', 'queue_delay_seconds']) {
      const base = `bridgeport_worker_${name}`
      const [series] = await prometheus.query([`{__name__=~"${base}_.*|bridgeport_worker_bursts_total"}`])
      const of = (what: string) => series?.filter(({ metric }) => metric.__name__ === what) ?? []
      const buckets = of(`${base}_bucket`).map(({ metric: { le = '' }, value }) => ({
        bound: le === '+Inf' ? Number.POSITIVE_INFINITY : Number(le),
        value,
      }))
      const counts = buckets.sort((a, b) => a.bound - b.bound).map(({ value }) => value)
      expect(counts).toEqual([...counts].sort((a, b) => a - b))
      const [count, sum, bursts] = [`${base}_count`, `${base}_sum`, 'bridgeport_worker_bursts_total'].map(
        (what) => of(what)[0]?.value ?? 0,
      )
      expect(buckets.at(-1)).toEqual({ bound: Number.POSITIVE_INFINITY, value: count })
      expect(sum).toBeGreaterThan(0)
      // The worker goes on while they are read.
      expect(Math.abs((bursts ?? 0) - (count ?? 0))).toBeLessThan(100)
    }
  })
})
