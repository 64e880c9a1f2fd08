/** What Bridgeport sets out to reach beside its peers, as ratios: they survive a change of machine, absolutes do not. */
import type { Metric } from './metric.ts'
import type { Summary } from './summary.ts'

interface Goal {
  metric: Metric
  peer: string
  /** at least this ratio Bridgeport / peer, or at most */
  bound: number
  sense: 'least' | 'most'
}

const goals: Goal[] = [
  ...(['tcp1', 'tcp4'] as const).flatMap((metric): Goal[] => [
    { metric, peer: 'ovs', bound: 4.5, sense: 'least' },
    { metric, peer: 'vde', bound: 6, sense: 'least' },
    { metric, peer: 'bridge', bound: 0.35, sense: 'least' },
  ]),
  { metric: 'rate', peer: 'ovs', bound: 1.6, sense: 'least' },
  { metric: 'rate', peer: 'bridge', bound: 1, sense: 'least' },
  { metric: 'flood', peer: 'ovs', bound: 0.5, sense: 'most' },
]

export interface Judgement extends Goal {
  ratio: number
  met: boolean
}

/** Judges every goal whose two figures were measured; the order is the table's. */
export function judge(summaries: Summary[]): Judgement[] {
  const median = (peer: string, metric: Metric) =>
    summaries.find((summary) => summary.peer === peer)?.figures[metric]?.median
  return goals.flatMap((goal) => {
    const ours = median('bridgeport', goal.metric)
    const theirs = median(goal.peer, goal.metric)
    if (ours === undefined || theirs === undefined) return []
    const ratio = ours / theirs
    return [{ ...goal, ratio, met: goal.sense === 'least' ? ratio >= goal.bound : ratio <= goal.bound }]
  })
}
