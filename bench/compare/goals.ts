/** What Bridgeport sets out to reach beside its peers, as ratios where that can be: they survive a change of machine, absolutes do not. */
import type { Metric, Stream } from './metric.ts'
import type { Summary } from './summary.ts'

interface Goal {
  metric: Metric
  /** whom the figure is divided by; null: the figure itself is judged */
  peer: string | null
  /** at least this, or at most */
  bound: number
  sense: 'least' | 'most'
}

/** Bridgeport's rows of a table. */
const own = ['bridgeport', 'bridgeport-nic', 'bridgeport-vhost']

const streams: Stream[] = ['out1', 'out4', 'out16', 'back1', 'back4', 'back16', 'in1', 'in4', 'in16']

const goals: Goal[] = [
  ...(['tcp1', 'tcp4'] as const).flatMap((metric): Goal[] => [
    { metric, peer: 'ovs', bound: 4.5, sense: 'least' },
    { metric, peer: 'vde', bound: 6, sense: 'least' },
    { metric, peer: 'bridge', bound: 0.35, sense: 'least' },
  ]),
  { metric: 'rate', peer: 'ovs', bound: 1.6, sense: 'least' },
  { metric: 'rate', peer: 'bridge', bound: 1, sense: 'least' },
  { metric: 'flood', peer: 'ovs', bound: 0.5, sense: 'most' },
  ...streams.flatMap((metric): Goal[] => [
    { metric, peer: 'slirp4netns', bound: 6, sense: 'least' },
    { metric, peer: 'kernel', bound: 0.3, sense: 'least' },
  ]),
  { metric: 'connections', peer: 'kernel', bound: 0.5, sense: 'least' },
  { metric: 'leases', peer: null, bound: 1980, sense: 'least' },
  { metric: 'leasesLost', peer: null, bound: 0, sense: 'most' },
  { metric: 'meanwhile', peer: null, bound: 90, sense: 'least' },
  { metric: 'rules1000', peer: 'iptables', bound: 2, sense: 'least' },
  { metric: 'rules10000', peer: 'iptables', bound: 10, sense: 'least' },
  { metric: 'fresh1000', peer: 'iptables', bound: 2, sense: 'least' },
  { metric: 'fresh10000', peer: 'iptables', bound: 10, sense: 'least' },
  { metric: 'lost', peer: null, bound: 0, sense: 'most' },
  { metric: 'unanswered', peer: null, bound: 0, sense: 'most' },
  { metric: 'roundTripAdded', peer: null, bound: 5, sense: 'most' },
  { metric: 'frames64', peer: 'ovs-dpdk', bound: 1.8, sense: 'least' },
  { metric: 'frames64', peer: 'testpmd', bound: 0.6, sense: 'least' },
  { metric: 'flooded64', peer: 'ovs-dpdk', bound: 1.8, sense: 'least' },
  { metric: 'flows1024', peer: 'ovs-dpdk', bound: 1.8, sense: 'least' },
  { metric: 'flows100000', peer: 'ovs-dpdk', bound: 1.8, sense: 'least' },
  ...(['tenthMedian', 'tenthP99', 'halfMedian', 'halfP99'] as const).map(
    (metric): Goal => ({ metric, peer: 'ovs-dpdk', bound: 1, sense: 'most' }),
  ),
  { metric: 'guestTcp', peer: 'bridge', bound: 1, sense: 'least' },
  { metric: 'idleAlone', peer: null, bound: 0.5, sense: 'most' },
  { metric: 'idleGuests', peer: null, bound: 0.5, sense: 'most' },
  { metric: 'scrapeIdleP99', peer: null, bound: 100, sense: 'most' },
  { metric: 'scrapeLoadedP99', peer: null, bound: 100, sense: 'most' },
  { metric: 'scrapeShare', peer: null, bound: 98, sense: 'least' },
  { metric: 'liveShare', peer: null, bound: 97, sense: 'least' },
  { metric: 'pageShare', peer: null, bound: 97, sense: 'least' },
  { metric: 'captureShare', peer: null, bound: 65, sense: 'least' },
  { metric: 'filterShare', peer: null, bound: 95, sense: 'least' },
]

export interface Judgement extends Goal {
  /** which of Bridgeport's rows */
  ours: string
  /** ours / theirs, or the figure itself */
  ratio: number
  met: boolean
}

/** Judges every goal whose two figures were measured; the order is the table's. */
export function judge(summaries: Summary[]): Judgement[] {
  const median = (peer: string, metric: Metric) =>
    summaries.find((summary) => summary.peer === peer)?.figures[metric]?.median
  return own.flatMap((ours) =>
    goals.flatMap((goal) => {
      const figure = median(ours, goal.metric)
      const divisor = goal.peer === null ? 1 : median(goal.peer, goal.metric)
      if (figure === undefined || divisor === undefined) return []
      const ratio = figure / divisor
      const met = goal.sense === 'least' ? ratio >= goal.bound : ratio <= goal.bound
      return [{ ...goal, ours, ratio, met }]
    }),
  )
}
