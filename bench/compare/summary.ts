/** From rounds to figures: median and range per peer and metric. */
import { type Metric, metrics, type Sample } from './metric.ts'

/** One peer in one round. */
export interface Outcome {
  peer: string
  round: number
  sample: Sample
  /** measurements that failed, with the reason */
  failures: string[]
}

export interface Figure {
  median: number
  min: number
  max: number
  rounds: number
}

export interface Summary {
  peer: string
  figures: Partial<Record<Metric, Figure>>
}

/** Middle value, or the mean of the two middle ones. */
export function median(values: number[]): number {
  const sorted = values.toSorted((x, y) => x - y)
  const half = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2
}

export function summarize(outcomes: Outcome[]): Summary[] {
  const peers = [...new Set(outcomes.map((outcome) => outcome.peer))]
  return peers.map((peer) => {
    const samples = outcomes.filter((outcome) => outcome.peer === peer).map((outcome) => outcome.sample)
    const figures: Summary['figures'] = {}
    for (const metric of metrics) {
      const values = samples.map((sample) => sample[metric]).filter((value) => value !== undefined)
      if (values.length === 0) continue
      figures[metric] = {
        median: median(values),
        min: Math.min(...values),
        max: Math.max(...values),
        rounds: values.length,
      }
    }
    return { peer, figures }
  })
}
