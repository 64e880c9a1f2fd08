/** The results as a Markdown table and as JSON. */
import { cpus, release, totalmem } from 'node:os'
import type { Judgement } from './goals.ts'
import { metrics, rows } from './metric.ts'
import type { Joint, Peer } from './peer.ts'
import type { Plan } from './run.ts'
import type { Figure, Outcome, Summary } from './summary.ts'

export interface Report {
  date: string
  machine: {
    processor: string
    cpus: number
    memoryBytes: number
    kernel: string
    node: string
    busyBefore: number
  }
  rounds: number
  seconds: number
  /** conditions that all peers share, said below the table */
  terms: string
  peers: { name: string; title: string; version: string }[]
  /** peers that were not measured, and why */
  absent: Record<string, string>
  summaries: Summary[]
  goals: Judgement[]
  outcomes: Outcome[]
}

/** `busyBefore` is the share of the machine that others used before the first round, 0 to 1. */
export function machine(busyBefore: number): Report['machine'] {
  return {
    processor: cpus()[0].model,
    cpus: cpus().length,
    memoryBytes: totalmem(),
    kernel: release(),
    node: process.versions.node,
    busyBefore,
  }
}

export function peers<J extends Joint>(plan: Plan<J>): Report['peers'] {
  return plan.peers.map(({ name, title, version }: Peer<J>) => ({ name, title, version: version() }))
}

function cell(figure: Figure | undefined, digits: number): string {
  if (figure === undefined) return '–'
  const text = figure.median.toFixed(digits)
  return figure.rounds === 1 ? text : `${text} (${figure.min.toFixed(digits)}–${figure.max.toFixed(digits)})`
}

const line = (cells: string[]) => `| ${cells.join(' | ')} |\n`

function figures(report: Report): string {
  const measured = metrics.filter((metric) => report.summaries.some(({ figures }) => figures[metric]))
  const titles = report.peers.map((peer) => peer.title)
  let text = line(['median (range)', 'unit', ...titles]) + line(['---', '---', ...titles.map(() => '--:')])
  for (const metric of measured) {
    const { title, unit, digits } = rows[metric]
    const cells = report.peers.map(({ name }) =>
      cell(report.summaries.find((summary) => summary.peer === name)?.figures[metric], digits),
    )
    text += line([title, unit, ...cells])
  }
  return text
}

function goals(report: Report): string {
  if (report.goals.length === 0) return ''
  const title = (name: string) => report.peers.find((peer) => peer.name === name)?.title ?? name
  let text = line(['Bridgeport / peer', 'ratio', 'goal', '']) + line(['---', '--:', '--:', '---'])
  for (const { ours, metric, peer, ratio, bound, sense, met } of report.goals) {
    const who = ours === 'bridgeport' ? '' : `, ${title(ours)}`
    const whom = peer === null ? '' : ` / ${title(peer)}`
    const bounds = `${sense === 'least' ? '≥' : '≤'} ${bound}`
    text += line([
      `${rows[metric].title}${who}${whom}`,
      ratio.toFixed(2),
      bounds,
      met ? 'met' : 'falls short',
    ])
  }
  return `\n${text}`
}

/** Received and offered closer than this: the switch might have taken more. The kernel bridge runs in its sender's context. */
const saturated = 0.98

function bound(report: Report): string {
  const names = report.summaries.flatMap(({ peer, figures }) => {
    const { rate, offered } = figures
    const idle = rate && offered && rate.median > saturated * offered.median
    return idle && peer !== 'bridge' ? [report.peers.find(({ name }) => name === peer)?.title ?? peer] : []
  })
  return names.length === 0 ? '' : `- 60-byte frames: ${names.join(', ')} took all that the sender offered\n`
}

/** Everything a reader needs to judge the figures, as Markdown. */
export function markdown(report: Report): string {
  const { processor, cpus, kernel, node, busyBefore } = report.machine
  const failures = report.outcomes.flatMap(({ peer, round, failures }) =>
    failures.map((failure) => `- failed: ${peer}, round ${round + 1}: ${failure}\n`),
  )
  const absent = Object.entries(report.absent).map(([name, reason]) => `- not measured: ${name}: ${reason}\n`)
  const versions = [...new Set(report.peers.map((peer) => peer.version))].join(', ')
  const rounds = `${report.rounds} round${report.rounds === 1 ? '' : 's'} of ${report.seconds} s a measurement, in alternation`
  return (
    `${figures(report)}${goals(report)}\n` +
    `- ${processor}, ${cpus} CPUs, Linux ${kernel}, Node ${node}; ${(busyBefore * 100).toFixed(0)} % busy before the run\n` +
    `- ${rounds}; ${report.terms}\n- ${versions}\n${bound(report)}${absent.join('')}${failures.join('')}`
  )
}

/** Ends with a newline; figures are kept to four significant digits, more would be noise. */
export function json(report: Report): string {
  const short = (_key: string, value: unknown) =>
    typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(4)) : value
  return `${JSON.stringify(report, short, 2)}\n`
}
