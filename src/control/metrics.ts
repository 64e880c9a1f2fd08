/**
 * Prometheus metrics. Values are read from the arena's counters when somebody scrapes; the dataplane runs on. Our families
 * are plain objects with prom-client's `get`, because their values live in the arena and not in prom-client.
 */
import type { Metric, Registry } from 'prom-client'
import { BURST_BOUNDS } from '../memory/counters.ts'
import type { PoolUse } from './binding.ts'
import type { RuleSample } from './counts.ts'
import type { FlowTally } from './flows.ts'
import type { PoolRow } from './lease.ts'
import type { NetworkRow, PortRow, WorkerRow } from './rows.ts'
import type { Switch } from './switch.ts'
import { version } from './version.ts'

/** Event loop delay is sampled this often: prom-client's 10 ms would wake an idle daemon a hundred times a second. */
const LOOP_SAMPLE_MS = 500

interface Rows {
  networks: NetworkRow[]
  ports: PortRow[]
  workers: WorkerRow[]
  pools: PoolRow[]
  flows: { rows: FlowTally[]; capacity: number; created: number }
  endpoints: PoolUse[]
  rules: readonly RuleSample[]
}

interface Value {
  labels: Record<string, string | number>
  value: number
  metricName?: string
}

interface Family {
  name: string
  help: string
  type: 'counter' | 'gauge' | 'histogram'
  values: (rows: Rows) => Value[]
}

function perPort(name: string, help: string, type: Family['type'], value: (row: PortRow) => number): Family {
  const values = ({ ports }: Rows) =>
    ports.map((row) => ({ labels: { port: row.name, network: row.network }, value: value(row) }))
  return { name, help, type, values }
}

function perNetwork(name: string, help: string, value: (row: NetworkRow) => number): Family {
  const values = ({ networks }: Rows) =>
    networks.map((row) => ({ labels: { network: row.name }, value: value(row) }))
  return { name, help, type: 'gauge', values }
}

function perPool(name: string, help: string, value: (row: PoolRow) => number): Family {
  const values = ({ pools }: Rows) =>
    pools.map((row) => ({ labels: { network: row.network }, value: value(row) }))
  return { name, help, type: 'gauge', values }
}

function perWorker(name: string, help: string, value: (row: WorkerRow) => number): Family {
  const values = ({ workers }: Rows) =>
    workers.map((row) => ({ labels: { worker: row.worker }, value: value(row) }))
  return { name, help, type: 'counter', values }
}

/** `rule` is the rule's comment, else a hash of what it says; rules of a chain with the same one are summed. */
function perRule(name: string, help: string, value: (row: RuleSample) => number): Family {
  const values = ({ rules }: Rows) =>
    rules.map((row) => ({
      labels: { table: row.table, chain: row.chain, rule: row.rule },
      value: value(row),
    }))
  return { name, help, type: 'counter', values }
}

/** Cumulative buckets, sum and count, as the exposition format wants them. */
function bursts({ workers }: Rows): Value[] {
  const name = 'bridgeport_worker_burst_frames'
  return workers.flatMap(({ worker, burstHistogram, frames }) => {
    let count = 0
    const buckets = BURST_BOUNDS.map((le, bucket) => {
      count += burstHistogram[bucket]
      return { metricName: `${name}_bucket`, labels: { le, worker }, value: count }
    })
    return [
      ...buckets,
      { metricName: `${name}_bucket`, labels: { le: '+Inf', worker }, value: count },
      { metricName: `${name}_sum`, labels: { worker }, value: frames },
      { metricName: `${name}_count`, labels: { worker }, value: count },
    ]
  })
}

const families: Family[] = [
  {
    name: 'bridgeport_build_info',
    help: 'Version of the switch and of Node, always 1.',
    type: 'gauge',
    values: () => [{ labels: { version, node: process.version }, value: 1 }],
  },
  perPort('bridgeport_port_up', 'Whether the port is up.', 'gauge', (row) => (row.state === 'up' ? 1 : 0)),
  perPort(
    'bridgeport_port_receive_frames_total',
    'Frames that came in at the port.',
    'counter',
    (row) => row.rxFrames,
  ),
  perPort(
    'bridgeport_port_receive_bytes_total',
    'Bytes that came in at the port.',
    'counter',
    (row) => row.rxBytes,
  ),
  perPort(
    'bridgeport_port_transmit_frames_total',
    'Frames that left at the port.',
    'counter',
    (row) => row.txFrames,
  ),
  perPort(
    'bridgeport_port_transmit_bytes_total',
    'Bytes that left at the port.',
    'counter',
    (row) => row.txBytes,
  ),
  perPort(
    'bridgeport_port_unlearned_frames_total',
    'Frames forwarded although their source was not learned.',
    'counter',
    (row) => row.unlearned,
  ),
  {
    name: 'bridgeport_dropped_frames_total',
    help: 'Frames dropped, by reason and by the port where it lies: the one they came from or the one they could not leave by.',
    type: 'counter',
    values: ({ ports }) =>
      ports.flatMap((row) =>
        Object.entries(row.drops).map(([reason, value]) => ({
          labels: { network: row.network, port: row.name, reason },
          value,
        })),
      ),
  },
  {
    name: 'bridgeport_port_faults_total',
    help: 'Guests and peers disconnected for what they did, by reason.',
    type: 'counter',
    values: ({ ports }) =>
      ports.flatMap((row) =>
        Object.entries(row.socket?.faults ?? {}).map(([reason, value]) => ({
          labels: { port: row.name, network: row.network, reason },
          value,
        })),
      ),
  },
  perNetwork('bridgeport_mac_entries', 'MAC addresses known.', (row) => row.macs),
  perNetwork('bridgeport_mac_capacity', 'MAC addresses that fit.', (row) => row.macCapacity),
  {
    name: 'bridgeport_flow_entries',
    help: 'Connections tracked, by the network that they began in.',
    type: 'gauge',
    values: ({ flows }) =>
      flows.rows.map(({ network, protocol, state, count }) => ({
        labels: { network, protocol, state },
        value: count,
      })),
  },
  {
    name: 'bridgeport_flow_capacity',
    help: 'Connections that fit.',
    type: 'gauge',
    values: ({ flows }) => [{ labels: {}, value: flows.capacity }],
  },
  {
    name: 'bridgeport_flows_created_total',
    help: 'Connections ever tracked.',
    type: 'counter',
    values: ({ flows }) => [{ labels: {}, value: flows.created }],
  },
  {
    name: 'bridgeport_nat_ports_in_use',
    help: 'Ports and ICMP identifiers of the uplink that translations hold.',
    type: 'gauge',
    values: ({ endpoints }) => endpoints.map(({ network, used }) => ({ labels: { network }, value: used })),
  },
  {
    name: 'bridgeport_nat_ports_capacity',
    help: 'Ports and ICMP identifiers of the uplink that there are for translations.',
    type: 'gauge',
    values: ({ endpoints }) =>
      endpoints.map(({ network, capacity }) => ({ labels: { network }, value: capacity })),
  },
  perRule('bridgeport_rule_packets_total', 'Packets that met a rule or a policy.', (row) => row.packets),
  perRule('bridgeport_rule_bytes_total', 'Bytes of packets that met a rule or a policy.', (row) => row.bytes),
  perPool('bridgeport_dhcp_leases', 'Addresses leased by DHCP.', (row) => row.leases),
  perPool('bridgeport_dhcp_capacity', 'Addresses that can be leased by DHCP.', (row) => row.capacity),
  {
    name: 'bridgeport_dhcp_messages_total',
    help: 'DHCP messages by kind; full: clients that got no offer, ignored: messages that were not for this server.',
    type: 'counter',
    values: ({ pools }) =>
      pools.flatMap(({ network, messages }) =>
        Object.entries(messages).map(([kind, value]) => ({ labels: { network, kind }, value })),
      ),
  },
  perWorker('bridgeport_worker_busy_seconds_total', 'Time spent with frames.', (row) => row.busySeconds),
  perWorker('bridgeport_worker_bursts_total', 'Bursts received.', (row) => row.bursts),
  {
    name: 'bridgeport_worker_burst_frames',
    help: 'Frames in a burst.',
    type: 'histogram',
    values: bursts,
  },
]

/** Everything that /metrics shows. */
export class Metrics {
  readonly contentType: string
  private readonly registry: Registry
  private rows: Rows = {
    networks: [],
    ports: [],
    workers: [],
    pools: [],
    flows: { rows: [], capacity: 0, created: 0 },
    endpoints: [],
    rules: [],
  }
  private readonly fabric: Switch

  private constructor(registry: Registry, fabric: Switch) {
    this.registry = registry
    this.fabric = fabric
    this.contentType = registry.contentType
    for (const { name, help, type, values } of families)
      registry.registerMetric({
        name,
        help,
        type,
        aggregator: 'sum',
        get: () => ({ name, help, type, aggregator: 'sum', values: values(this.rows) }),
      } as unknown as Metric)
  }

  static async start(fabric: Switch): Promise<Metrics> {
    const { collectDefaultMetrics, Registry } = (await import('prom-client')).default
    const registry = new Registry()
    collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: LOOP_SAMPLE_MS })
    // promtool refuses gauges that end in _total.
    for (const name of ['handles', 'requests', 'resources'])
      registry.removeSingleMetric(`nodejs_active_${name}_total`)
    return new Metrics(registry, fabric)
  }

  /** The exposition text. The rows are read once; prom-client calls every `get` before it first waits. */
  scrape(): Promise<string> {
    const { fabric } = this
    this.rows = {
      networks: fabric.networks(),
      ports: fabric.ports(true),
      workers: fabric.workers(),
      pools: fabric.pools(),
      flows: fabric.flowTally(),
      endpoints: fabric.endpoints(),
      rules: fabric.rulebook.samples(),
    }
    return this.registry.metrics()
  }
}
