/** The families of metrics, in the order in which they are shown; README.md's table has them all. */
import { BURST_BOUNDS, DELAY_BOUNDS } from '../../memory/counters.ts'
import type { WorkerRow } from '../rows.ts'
import { version } from '../version.ts'
import { type Family, histogram, labels } from './exposition.ts'
import type { Figures } from './figures.ts'

type Own = Family<Figures>

/** Makes families that have a sample for each of some rows. */
function each<Row>(rows: (figures: Figures) => readonly Row[], seriesOf: (row: Row) => string) {
  return (name: string, type: Own['type'], help: string, value: (row: Row) => number): Own => ({
    name: `bridgeport_${name}`,
    help,
    type,
    read: (figures) => {
      const all = rows(figures)
      return { series: all.map(seriesOf), values: all.map(value) }
    },
  })
}

/** What was counted by reason or kind, a row for each. */
function counted<Row>(rows: Row[], counts: (row: Row) => Record<string, number> | undefined) {
  return rows.flatMap((row) =>
    Object.entries(counts(row) ?? {}).map(([what, count]) => ({ row, what, count })),
  )
}

function perWorkerHistogram(name: string, help: string, of: (row: WorkerRow) => Distribution): Own {
  const read: Own['read'] = ({ workers }) => {
    const each = workers.map((row) => {
      const { bounds, counts, sum } = of(row)
      return histogram({ worker: row.worker }, bounds, counts, sum)
    })
    return { series: each.flatMap(({ series }) => series), values: each.flatMap(({ values }) => values) }
  }
  return { name: `bridgeport_${name}`, help, type: 'histogram', read }
}

interface Distribution {
  bounds: number[]
  counts: number[]
  sum: number
}

const once = each(
  (figures) => [figures],
  () => '',
)
const perPort = each(
  ({ ports }) => ports,
  ({ series }) => series,
)
const perNetwork = each(
  ({ networks }) => networks,
  ({ name }) => labels({ network: name }),
)
const perTranslation = each(
  ({ endpoints }) => endpoints,
  ({ network }) => labels({ network }),
)
const perPool = each(
  ({ pools }) => pools,
  ({ network }) => labels({ network }),
)
const perWorker = each(
  ({ workers }) => workers,
  ({ worker }) => labels({ worker }),
)
/** `rule` is the rule's comment, else a hash of what it says; rules of a chain with the same one are summed. */
function perRule(name: string, help: string, what: 'packets' | 'bytes'): Own {
  const read: Own['read'] = ({ rules }) => ({ series: rules.series, values: rules[what] })
  return { name: `bridgeport_${name}`, help, type: 'counter', read }
}
const perFlowState = each(
  ({ flows }) => flows.rows,
  ({ network, protocol, state }) => labels({ network, protocol, state }),
)
const perDrop = each(
  ({ ports }) => counted(ports, ({ drops }) => drops),
  ({ row, what }) => labels({ network: row.network, port: row.name, reason: what }),
)
const perFault = each(
  ({ ports }) => counted(ports, ({ faults }) => faults),
  ({ row, what }) => labels({ port: row.name, network: row.network, reason: what }),
)
const perMessage = each(
  ({ pools }) => counted(pools, ({ messages }) => messages),
  ({ row, what }) => labels({ network: row.network, kind: what }),
)
const perBuild = each(
  () => [1],
  () => labels({ version, node: process.version }),
)

const ports: Own[] = [
  perPort('port_up', 'gauge', 'Whether the port is up.', ({ state }) => Number(state === 'up')),
  perPort(
    'port_waiting',
    'gauge',
    'Whether the port waits for what is not there: a guest, a peer, a namespace or a card.',
    ({ state }) => Number(state === 'waiting'),
  ),
  perPort('port_receive_frames_total', 'counter', 'Frames that came in at the port.', (row) => row.rxFrames),
  perPort('port_receive_bytes_total', 'counter', 'Bytes that came in at the port.', (row) => row.rxBytes),
  perPort('port_transmit_frames_total', 'counter', 'Frames that left at the port.', (row) => row.txFrames),
  perPort('port_transmit_bytes_total', 'counter', 'Bytes that left at the port.', (row) => row.txBytes),
  perPort(
    'port_unlearned_frames_total',
    'counter',
    'Frames forwarded although their source was not learned.',
    (row) => row.unlearned,
  ),
  perDrop(
    'dropped_frames_total',
    'counter',
    'Frames dropped, by reason and by the port where it lies: the one they came from or the one they could not leave by.',
    ({ count }) => count,
  ),
  perFault(
    'port_faults_total',
    'counter',
    'Guests and peers disconnected for what they did, by reason.',
    ({ count }) => count,
  ),
]

const networks: Own[] = [
  perNetwork('mac_entries', 'gauge', 'MAC addresses known.', (row) => row.macs),
  perNetwork('mac_capacity', 'gauge', 'MAC addresses that fit.', (row) => row.macCapacity),
  perNetwork(
    'neighbour_entries',
    'gauge',
    'Neighbours that the gateway of the network knows or asks for by ARP.',
    (row) => row.neighbours,
  ),
  perPool('dhcp_leases', 'gauge', 'Addresses leased by DHCP.', (row) => row.leases),
  perPool('dhcp_capacity', 'gauge', 'Addresses that can be leased by DHCP.', (row) => row.capacity),
  perMessage(
    'dhcp_messages_total',
    'counter',
    'DHCP messages by kind; full: clients that got no offer, ignored: messages that were not for this server.',
    ({ count }) => count,
  ),
]

const gateway: Own[] = [
  perFlowState(
    'flow_entries',
    'gauge',
    'Connections tracked, by the network that they began in.',
    (row) => row.count,
  ),
  once('flow_capacity', 'gauge', 'Connections that fit.', ({ flows }) => flows.capacity),
  once('flows_created_total', 'counter', 'Connections ever tracked.', ({ flows }) => flows.created),
  once(
    'flows_evicted_total',
    'counter',
    'Connections that ended early because the table was full and nobody had answered them, or they were closing.',
    ({ flows }) => flows.evicted,
  ),
  perTranslation(
    'nat_ports_in_use',
    'gauge',
    'Ports and ICMP identifiers of the uplink that translations hold.',
    ({ used }) => used,
  ),
  perTranslation(
    'nat_ports_capacity',
    'gauge',
    'Ports and ICMP identifiers of the uplink that there are for translations.',
    ({ capacity }) => capacity,
  ),
  perRule('rule_packets_total', 'Packets that met a rule or a policy.', 'packets'),
  perRule('rule_bytes_total', 'Bytes of packets that met a rule or a policy.', 'bytes'),
]

const workers: Own[] = [
  perWorker('worker_busy_seconds_total', 'counter', 'Time spent with frames.', (row) => row.busySeconds),
  perWorker(
    'worker_sleeps_total',
    'counter',
    'Times that it slept because nothing came.',
    (row) => row.sleeps,
  ),
  perWorker(
    'worker_frames_in_use',
    'gauge',
    'Frames of its pool that are under way or wait, within the last second.',
    (row) => row.framesInUse,
  ),
  perWorker('worker_frames_capacity', 'gauge', 'Frames of its pool.', (row) => row.frameCapacity),
  perWorker(
    'worker_held_packets',
    'gauge',
    'Packets that wait until their neighbour is known.',
    (row) => row.held,
  ),
  perWorker(
    'worker_fragmented_packets',
    'gauge',
    'Packets of which fragments are missing.',
    (row) => row.fragmented,
  ),
  perWorker('worker_bursts_total', 'counter', 'Bursts received.', (row) => row.bursts),
  perWorkerHistogram('worker_burst_frames', 'Frames in a burst.', (row) => ({
    bounds: BURST_BOUNDS,
    counts: row.burstHistogram,
    sum: row.frames,
  })),
  perWorkerHistogram(
    'worker_queue_delay_seconds',
    'For each burst received, how long the work before it had kept the worker from its queues: what a frame waited at most that came to an empty queue, until the worker turned to it.',
    (row) => ({ bounds: DELAY_BOUNDS, counts: row.delayHistogram, sum: row.delaySeconds }),
  ),
]

const records: Own[] = [
  once('captures', 'gauge', 'Captures under way.', ({ captures }) => captures.active),
  once('capture_frames_total', 'counter', 'Frames that captures wrote.', ({ captures }) => captures.frames),
  once(
    'capture_lost_frames_total',
    'counter',
    'Frames that captures lost because they were read too slowly; they were forwarded all the same.',
    ({ captures }) => captures.lost,
  ),
  once(
    'flow_log_records_total',
    'counter',
    'Begins and ends of connections that the flow log read.',
    ({ flowLog }) => flowLog.records,
  ),
  once(
    'flow_log_lost_total',
    'counter',
    'Begins and ends of connections that did not reach the file or the collector of the flow log.',
    ({ flowLog }) => flowLog.lost,
  ),
  once('viewers', 'gauge', 'Pages and `bridgeport top` that look at the switch.', ({ viewers }) => viewers),
]

export const families: readonly Own[] = [
  perBuild('build_info', 'gauge', 'Version of the switch and of Node, always 1.', () => 1),
  ...ports,
  ...networks,
  ...gateway,
  ...workers,
  ...records,
]
