/** Bar charts as SVG, written by hand: a bar for the median, a thin line for the range, the figure beside it. */
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

/** Geometry in pixels: names stand left of the bars, figures right of them. */
const width = 760
const barsAt = 130
const barsWidth = 500
const barHeight = 18
const barPitch = 24
const headingHeight = 34
const titleHeight = 44

const ours = '#1f6feb'
const others = '#9aa4b2'

/** Text for XML, without Markdown's marks. */
function plain(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('`', '')
}

function text(x: number, y: number, content: string, style = ''): string {
  return `<text x="${x}" y="${y}"${style && ` ${style}`}>${plain(content)}</text>\n`
}

function bar(
  y: number,
  title: string,
  figure: Figure,
  scale: number,
  digits: number,
  colour: string,
): string {
  const at = (value: number) => (barsAt + value * scale).toFixed(1)
  const middle = y + barHeight / 2
  const length = Math.max(1, figure.median * scale).toFixed(1)
  const range = `M${at(figure.min)} ${middle}H${at(figure.max)}M${at(figure.min)} ${middle - 4}v8M${at(figure.max)} ${middle - 4}v8`
  return (
    text(barsAt - 8, middle + 4, title, 'text-anchor="end"') +
    `<rect x="${barsAt}" y="${y}" width="${length}" height="${barHeight}" fill="${colour}"/>\n` +
    (figure.rounds > 1 ? `<path d="${range}" stroke="#24292f" fill="none"/>\n` : '') +
    text(Number(at(Math.max(figure.max, figure.median))) + 8, middle + 4, figure.median.toFixed(digits))
  )
}

/** One chart, or null when nothing of it was measured. */
export function chart(plot: Plot, report: Report): string | null {
  const figure = (peer: string, metric: Metric) =>
    report.summaries.find((summary) => summary.peer === peer)?.figures[metric]
  const largest = (unit: string) => {
    const same = plot.metrics.filter((metric) => rows[metric].unit === unit)
    return Math.max(
      ...report.peers.flatMap(({ name }) => same.map((metric) => figure(name, metric)?.max ?? 0)),
    )
  }
  let body = ''
  let y = titleHeight
  for (const metric of plot.metrics) {
    const { title, unit, digits } = rows[metric]
    const measured = report.peers.filter(({ name }) => figure(name, metric))
    if (measured.length === 0) continue
    body += text(16, y + 20, `${title} (${unit})`, 'font-weight="bold"')
    y += headingHeight
    const scale = barsWidth / largest(unit)
    for (const { name, title } of measured) {
      const colour = name.startsWith('bridgeport') ? ours : others
      body += bar(y, title, figure(name, metric) as Figure, scale, digits, colour)
      y += barPitch
    }
  }
  if (body === '') return null
  const { processor, cpus, kernel } = report.machine
  const foot = `${cpus} CPUs (${processor}), Linux ${kernel}; medians of ${report.rounds}, the thin line is the range`
  body += text(16, y + 26, foot, 'font-size="11" fill="#57606a"')
  const height = y + 42
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}"` +
    ` font-family="sans-serif" font-size="13" fill="#24292f">\n` +
    `<rect width="${width}" height="${height}" fill="#ffffff"/>\n` +
    text(16, 28, plot.title, 'font-size="16" font-weight="bold"') +
    `${body}</svg>\n`
  )
}
