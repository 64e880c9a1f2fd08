/** Tables on a terminal of any width: columns leave in the order of their worth, and the first one, cut at last, stays. */
import { type Line, type Piece, pad, type Style } from './line.ts'

export interface Field<T> {
  title: string
  text: (row: T) => string
  /** columns with the highest leave first; of those of 0 the last, and only when the first one's names would go */
  worth: number
  isNumber?: boolean
  style?: (row: T) => Style
}

export interface Grid {
  heading: string
  rows: Line[]
}

const GAP = 2
/** Of a number: what it needs in most cases, so that columns do not jump to and fro. */
const NUMBER_WIDTH = 5
/** Of the first column: so much stays, or another leaves, whatever its worth. */
const FIRST_WIDTH = 8

/** The fields that fit, each with its width. */
function fitting<T>(rows: readonly T[], fields: readonly Field<T>[], width: number) {
  const columns = fields.map((field) => {
    const least = Math.max(field.title.length, field.isNumber ? NUMBER_WIDTH : 0)
    return { field, width: rows.reduce((most, row) => Math.max(most, field.text(row).length), least) }
  })
  const total = () => columns.reduce((sum, column) => sum + column.width + GAP, -GAP)
  const [first] = columns
  const spare = Math.max(first.width - FIRST_WIDTH, 0)
  for (;;) {
    const worst = columns.reduce((a, b) => (b.field.worth >= a.field.worth ? b : a))
    if (worst === first || total() <= width + (worst.field.worth === 0 ? spare : 0)) break
    columns.splice(columns.indexOf(worst), 1)
  }
  first.width -= Math.min(Math.max(total() - width, 0), first.width)
  return columns
}

/** The rows as lines under a heading. */
export function grid<T>(rows: readonly T[], fields: readonly Field<T>[], width: number): Grid {
  const columns = fitting(rows, fields, width)
  const gap = ' '.repeat(GAP)
  return {
    heading: columns.map(({ field, width }) => pad(field.title, width, field.isNumber)).join(gap),
    rows: rows.map((row) =>
      columns.flatMap(({ field, width }, index): Piece[] => {
        const piece: Piece = [pad(field.text(row), width, field.isNumber), field.style?.(row) ?? 'plain']
        return index === 0 ? [piece] : [[gap], piece]
      }),
    ),
  }
}
