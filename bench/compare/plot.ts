/** What was measured as bar charts: a bar for the median, a thin line for the range, the figure beside it. */
import { type Bar, svg } from '../../scripts/bars.mjs'
import { type Metric, rows } from './metric.ts'
import type { Report } from './report.ts'
import type { Figure } from './summary.ts'

export interface Plot {
  /** file name without its ending */
  name: string
  title: string
  /** one group of bars each; groups of one unit share a scale */
  metrics: Metric[]
}

export const plots: Plot[] = [
  {
    name: 'throughput',
    title: 'TCP between two namespaces, MTU 1500 (longer is better)',
    metrics: ['tcp1', 'tcp4'],
  },
  { name: 'rate', title: '60-byte frames forwarded, one sending CPU (longer is better)', metrics: ['rate'] },
  {
    name: 'latency',
    title: 'Round trip between two namespaces (shorter is better)',
    metrics: ['flood', 'median', 'p99'],
  },
  {
    name: 'cpu',
    title: 'CPU time that the work costs (shorter is better)',
    metrics: ['gigabyteMachine', 'gigabyteSwitch', 'framesMachine', 'framesSwitch'],
  },
]

/** Pixels. */
const width = 760

function bar(title: string, isOwn: boolean, { median, min, max }: Figure, digits: number): Required<Bar> {
  return { name: title, value: median, figure: median.toFixed(digits), isOwn, range: [min, max] }
}

/** One chart, or null when nothing of it was measured. */
export function chart(plot: Plot, report: Report): string | null {
  const measured = (metric: Metric) =>
    report.peers.flatMap(({ name, title }) => {
      const figure = report.summaries.find(({ peer }) => peer === name)?.figures[metric]
      return figure ? [bar(title, name.startsWith('bridgeport'), figure, rows[metric].digits)] : []
    })
  const all = plot.metrics.map((metric) => ({ ...rows[metric], bars: measured(metric) }))
  const largest = (unit: string) =>
    Math.max(...all.flatMap((row) => (row.unit === unit ? row.bars.map(({ range }) => range[1]) : [])))
  const groups = all
    .filter(({ bars }) => bars.length > 0)
    .map(({ title, unit, bars }) => ({ heading: `${title} (${unit})`, largest: largest(unit), bars }))
  if (groups.length === 0) return null
  const { processor, cpus, kernel } = report.machine
  const foot = `${cpus} CPUs (${processor}), Linux ${kernel}; medians of ${report.rounds}, the thin line is the range`
  return svg({ title: plot.title, width, groups, foot })
}
