/** Lines of a terminal: pieces of text, each with a style. All that is shown passes through here, and nothing but printable ASCII leaves. */

export type Style = 'plain' | 'bold' | 'dim' | 'reverse' | 'red' | 'green' | 'yellow' | 'cyan'
export type Piece = readonly [text: string, style?: Style]
export type Line = readonly Piece[]

/** Parameters of SGR, the terminal's order for styles (ECMA-48, 8.3.117). */
const SGR = { plain: 0, bold: 1, dim: 2, reverse: 7, red: 31, green: 32, yellow: 33, cyan: 36 }
const FIRST_COLOUR = 30

/** A name may come from anybody who may add a port: what could steer a terminal, or be wider than a column, is a question mark. */
export function clean(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?')
}

/** The text in `width` columns: cut with a tilde, or padded. */
export function pad(text: string, width: number, isRight = false): string {
  if (text.length > width) return width > 0 ? `${text.slice(0, width - 1)}~` : ''
  return isRight ? text.padStart(width) : text.padEnd(width)
}

/** The line's text, at most `width` columns of it. */
export function plain(line: Line, width = Number.POSITIVE_INFINITY): string {
  const text = clean(line.map(([piece]) => piece).join('')).trimEnd()
  return text.length > width ? text.slice(0, width) : text
}

/** The line as a terminal is told it, at most `width` columns of it. */
export function paint(line: Line, width: number, hasColours: boolean): string {
  let left = width
  let told = ''
  for (const [text, style = 'plain'] of line) {
    const shown = clean(text).slice(0, left)
    left -= shown.length
    const isStyled = style !== 'plain' && (hasColours || SGR[style] < FIRST_COLOUR)
    told += isStyled && shown !== '' ? `\x1b[${SGR[style]}m${shown}\x1b[0m` : shown
  }
  return told
}

const UNITS = ['', 'k', 'M', 'G', 'T', 'P']

/** A number in at most five columns: three digits that count, and a unit of 1000. */
export function scaled(value: number): string {
  if (!(value > 0)) return '0'
  if (value < 9.95) return value.toFixed(1).replace(/\.0$/, '')
  let unit = 0
  let rest = value
  for (; rest >= 999.5 && unit < UNITS.length - 1; unit++) rest /= 1000
  if (unit === 0) return String(Math.round(rest))
  return `${rest.toFixed(rest < 9.995 ? 2 : rest < 99.95 ? 1 : 0)}${UNITS[unit]}`
}
