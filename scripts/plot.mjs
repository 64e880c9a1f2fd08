/**
 * The README's plots, docs/plot-*.svg, from the README's own tables: what is drawn is what stands there.
 *
 * `npm run bench -- plots` draws them anew after the tables have changed.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { svg } from './bars.mjs'

/** A row is named by its first cell, which stands above its bars without the unit behind its last comma. */
const plots = [
  {
    name: 'tcp',
    title: 'TCP between two namespaces, Gbit/s',
    rows: ['TCP, 1 stream, Gbit/s', 'TCP, 4 streams, Gbit/s'],
  },
  { name: 'frames', title: 'Small frames, thousands a second', rows: ['60-byte frames, kpps'] },
  {
    name: 'rules',
    title: 'Small frames past rules, thousands a second',
    rows: ['no rule', '100 rules', '1,000 rules', '10,000 rules'],
  },
  {
    name: 'vhost',
    title: 'Guests in shared memory, millions of frames a second',
    rows: [
      '64-byte frames to stations that are known, Mpps',
      '512-byte frames',
      '1,518-byte frames',
      '64-byte UDP through conntrack and SNAT, 1,024 flows',
    ],
  },
]

/** Pixels: two of them stand side by side. */
const width = 560

function cells(line) {
  return line
    .slice(1, -1)
    .split('|')
    .map((cell) => cell.trim())
}

/** A row's figures by the headings of its table; a cell without a number is left out. */
function figures(lines, title) {
  const at = lines.findIndex((line) => line.startsWith(`| ${title} |`))
  if (at < 0) throw new Error(`README.md has no row ${title}; name its rows in scripts/plot.mjs`)
  const begin = lines.slice(0, at).findLastIndex((line) => !line.startsWith('|'))
  const names = cells(lines[begin + 1])
  const values = cells(lines[at]).map((cell) => Number.parseFloat(cell.replaceAll(',', '')))
  const all = names.map((name, index) => ({ name, value: values[index] }))
  return all.slice(1).filter(({ value }) => value >= 0)
}

/** One plot as SVG, of the README's lines. */
function chart({ title, rows }, lines) {
  const all = rows.map((row) => ({ row, cells: figures(lines, row) }))
  const largest = Math.max(...all.flatMap(({ cells }) => cells.map(({ value }) => value)))
  const bars = ({ name, value }) => ({
    name,
    value,
    figure: `${value}`,
    isOwn: name.startsWith('Bridgeport'),
  })
  const groups = all.map(({ row, cells }) => ({
    heading: row.replace(/, \w+(\/s)?$/, ''),
    largest,
    bars: cells.map(bars),
  }))
  return svg({ title, width, groups })
}

/** Plots by their paths in the repository. */
export function charts(readme) {
  const lines = readme.split('\n')
  return Object.fromEntries(plots.map((plot) => [`docs/plot-${plot.name}.svg`, chart(plot, lines)]))
}

export function draw(root) {
  const made = charts(readFileSync(join(root, 'README.md'), 'utf8'))
  for (const [path, svg] of Object.entries(made)) writeFileSync(join(root, path), svg)
}
