/** Listings: aligned columns for people, JSON for scripts. */

/** A column: its heading and a row's text in it. */
export interface Column<T> {
  title: string
  text: (row: T) => string | number | boolean | null
}

/** Columns two spaces apart, numbers to the right; '-' stands for nothing. */
export function table<T>(rows: readonly T[], columns: readonly Column<T>[]): string {
  const cells = rows.map((row) => columns.map(({ text }) => text(row)))
  const shown = cells.map((line) => line.map((cell) => (cell === null || cell === '' ? '-' : String(cell))))
  const widths = columns.map(({ title }, c) => Math.max(title.length, ...shown.map((line) => line[c].length)))
  const isNumber = columns.map(
    (_, c) => cells.length > 0 && cells.every((line) => typeof line[c] === 'number'),
  )
  const draw = (line: readonly string[]) =>
    line
      .map((cell, c) => (isNumber[c] ? cell.padStart(widths[c]) : cell.padEnd(widths[c])))
      .join('  ')
      .trimEnd()
  return [draw(columns.map(({ title }) => title)), ...shown.map(draw)].map((line) => `${line}\n`).join('')
}

/** Prints a listing. */
export function list<T>(
  rows: readonly T[],
  columns: readonly Column<T>[],
  options: { json?: boolean },
): void {
  process.stdout.write(options.json ? `${JSON.stringify(rows, null, 2)}\n` : table(rows, columns))
}

/** A number of seconds as people say it. */
export function age(seconds: number): string {
  if (seconds < 60) return `${Math.floor(seconds)}s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m${Math.floor(seconds % 60)}s`
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)}h${Math.floor((seconds % 3600) / 60)}m`
  return `${Math.floor(seconds / 86_400)}d${Math.floor((seconds % 86_400) / 3600)}h`
}
