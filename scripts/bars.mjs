/**
 * Bars in groups as SVG: what comparisons measured (bench/compare/plot.ts) and what stands in the README's tables (plot.mjs, which runs
 * before anything is built). Its form is in bars.d.mts.
 */

/** Geometry in pixels: names stand left of the bars, figures right of them. */
const barsAt = 150
const figureWidth = 60
const barHeight = 14
const barPitch = 19
const headingHeight = 24
const titleHeight = 40
const footHeight = 20
const margin = 12

/** Both schemes in one file: the page's reader chooses. */
const style = `<style>
svg { font: 12px sans-serif; fill: #24292f }
.back { fill: #ffffff } .own { fill: #1f6feb } .other { fill: #9aa4b2 } .range { stroke: #24292f }
@media (prefers-color-scheme: dark) { svg { fill: #e6edf3 } .back { fill: #0d1117 } .own { fill: #58a6ff } .other { fill: #6e7681 } .range { stroke: #e6edf3 } }
</style>
`

/** Text for XML, without Markdown's marks. */
function plain(text) {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('`', '')
}

function text(x, y, content, attributes = '') {
  return `<text x="${x}" y="${y}"${attributes}>${plain(content)}</text>\n`
}

function bar(y, { name, value, figure, isOwn, range = [value, value] }, scale) {
  const [least, most] = range.map((end) => (barsAt + end * scale).toFixed(1))
  const length = Math.max(1, value * scale)
  const middle = y + barHeight / 2
  const ends = `M${least} ${middle}H${most}M${least} ${middle - 4}v8M${most} ${middle - 4}v8`
  return (
    text(barsAt - 8, y + 11, name, ' text-anchor="end"') +
    `<rect class="${isOwn ? 'own' : 'other'}" x="${barsAt}" y="${y}" width="${length.toFixed(1)}" height="${barHeight}"/>\n` +
    (range[0] < range[1] ? `<path class="range" d="${ends}"/>\n` : '') +
    text((Math.max(barsAt + length, Number(most)) + 6).toFixed(1), y + 11, figure)
  )
}

export function svg({ title, width, groups, foot }) {
  let y = titleHeight
  let body = text(16, 26, title, ' font-size="15" font-weight="bold"')
  for (const { heading, largest, bars } of groups) {
    const scale = (width - barsAt - figureWidth) / largest
    body += text(16, y + 16, heading, ' font-weight="bold"')
    y += headingHeight
    for (const each of bars) {
      body += bar(y, each, scale)
      y += barPitch
    }
  }
  if (foot) {
    y += footHeight
    body += text(16, y, foot, ' font-size="11"')
  }
  const height = y + margin
  const size = `width="${width}" height="${height}" viewBox="0 0 ${width} ${height}"`
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size}>\n${style}<rect class="back" width="${width}" height="${height}"/>\n${body}</svg>\n`
}
