/**
 * The README's plots, docs/plot-*.svg, from the README's own tables: what is drawn is what stands there.
 *
 * `npm run bench -- plots` draws them anew after the tables have changed.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

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

/** Geometry in pixels: names stand left of the bars, figures right of them. */
const width = 560
const barsAt = 130
const barsWidth = 370
const barHeight = 14
const barPitch = 19
const headingHeight = 30
const titleHeight = 40

/** Both schemes in one file: the page's reader chooses. */
const style = `<style>
svg { font: 12px sans-serif; fill: #24292f }
.back { fill: #ffffff } .own { fill: #1f6feb } .other { fill: #9aa4b2 }
@media (prefers-color-scheme: dark) { svg { fill: #e6edf3 } .back { fill: #0d1117 } .own { fill: #58a6ff } .other { fill: #6e7681 } }
</style>
`

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

function text(x, y, content, attributes = '') {
  return `<text x="${x}" y="${y}"${attributes}>${content}</text>\n`
}

function bar(y, { name, value }, scale) {
  const length = Math.max(1, value * scale).toFixed(1)
  const kind = name.startsWith('Bridgeport') ? 'own' : 'other'
  return (
    text(barsAt - 8, y + 11, name, ' text-anchor="end"') +
    `<rect class="${kind}" x="${barsAt}" y="${y}" width="${length}" height="${barHeight}"/>\n` +
    text(barsAt + Number(length) + 6, y + 11, value)
  )
}

/** One plot as SVG, of the README's lines. */
function chart({ title, rows }, lines) {
  const groups = rows.map((row) => ({ row, bars: figures(lines, row) }))
  const scale = barsWidth / Math.max(...groups.flatMap(({ bars }) => bars.map(({ value }) => value)))
  let y = titleHeight
  let body = text(16, 26, title, ' font-size="15" font-weight="bold"')
  for (const { row, bars } of groups) {
    body += text(16, y + 16, row.replace(/, \w+(\/s)?$/, ''), ' font-weight="bold"')
    y += headingHeight - 6
    for (const each of bars) {
      body += bar(y, each, scale)
      y += barPitch
    }
  }
  const height = y + 12
  const size = `width="${width}" height="${height}" viewBox="0 0 ${width} ${height}"`
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size}>\n${style}<rect class="back" width="${width}" height="${height}"/>\n${body}</svg>\n`
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
