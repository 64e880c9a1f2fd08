/**
 * Prometheus' text exposition format 0.0.4. The same families are written again and again, and most of the text is what it was: as long
 * as samples come with the labels of last time, their bytes are copied in runs, and only numbers that changed are written in between.
 */

/** Label values may hold anything; three characters are written as two. */
const ESCAPES: Record<string, string> = { '\\': '\\\\', '"': '\\"', '\n': '\\n' }

/** Labels as they stand behind a family's name. */
export function labels(values: Record<string, string | number>): string {
  const written = Object.entries(values).map(([name, value]) => {
    const text = String(value).replace(/[\\"\n]/g, (character) => ESCAPES[character])
    return `${name}="${text}"`
  })
  return `{${written.join(',')}}`
}

/** Samples in two columns: what stands behind the family's name, and the numbers. The array of the former is never changed. */
export interface Samples {
  series: readonly string[]
  values: ArrayLike<number>
}

/** A family, and how its samples are found in what was gathered. */
export interface Family<Gathered> {
  name: string
  help: string
  type: 'counter' | 'gauge' | 'histogram'
  read: (gathered: Gathered) => Samples
}

const NEWLINE = 10
/** Bytes that a text has room for at least. */
const ROOM = 65_536
/** A text that grows gets so much more than it needs; one with twice as much is not used again. */
const GROWTH = 1.25
/** UTF-8 takes three bytes at most for a unit of a string. */
const UNIT_LENGTH_MAX = 3

/** A text; who sends it borrows it, for its memory is used again. */
export class Page {
  readonly text: Buffer
  private readers = 0

  constructor(text: Buffer) {
    this.text = text
  }

  get isFree(): boolean {
    return this.readers === 0
  }

  /** Returns how to give it back. */
  borrow(): () => void {
    this.readers++
    return () => {
      this.readers--
    }
  }
}

/** A family's samples in the last text. */
class Section {
  begin = 0
  series: readonly string[] = []
  readonly values: number[] = []
  /** where the numbers stand, counted from `begin` */
  readonly places: number[] = []
}

/** How many series both lists begin with. */
function common(some: readonly string[], others: readonly string[]): number {
  if (some === others) return some.length
  let count = 0
  while (count < some.length && some[count] === others[count]) count++
  return count
}

/** Writes families one after the other: `begin`, `add` for each, `end`. */
export class Exposition {
  /** bytes since `begin` that were not copied */
  written = 0
  private readonly sections = new Map<string, Section>()
  private last = new Page(Buffer.alloc(0))
  /** the text before the last one, whose memory the next one gets unless somebody still reads it */
  private spare = this.last
  private bytes = this.last.text
  private at = 0

  begin(): void {
    const { spare, last } = this
    const length = Math.max(ROOM, last.text.length)
    const capacity = spare.text.buffer.byteLength
    this.at = this.written = 0
    this.bytes = Buffer.from(spare.text.buffer)
    if (!spare.isFree || capacity < length || capacity > 2 * length) this.move(length)
  }

  add<Gathered>({ name, help, type, read }: Family<Gathered>, gathered: Gathered): void {
    this.write(`# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`)
    const { series, values } = read(gathered)
    const section = this.sections.get(name) ?? new Section()
    this.sections.set(name, section)
    const begin = this.at
    const known = common(section.series, series)
    if (known > 0) this.renew(section, known, values)
    for (let n = known; n < series.length; n++) {
      this.write(`${name}${series[n]} `)
      section.places[n] = this.at - begin
      section.values[n] = values[n]
      this.write(`${values[n]}\n`)
    }
    section.values.length = section.places.length = series.length
    section.series = series
    section.begin = begin
  }

  /** Copies the first `count` samples of the last text, with the numbers that they have now. */
  private renew({ begin, values, places }: Section, count: number, now: ArrayLike<number>): void {
    const { text } = this.last
    const { at: first } = this
    let copied = begin
    let number = begin
    for (let n = 0; n < count; n++) {
      number = begin + places[n]
      places[n] = this.at + number - copied - first
      if (values[n] === now[n]) continue
      values[n] = now[n]
      this.copy(copied, number)
      this.write(String(now[n]))
      for (copied = number; text[copied] !== NEWLINE; ) copied++
    }
    this.copy(copied, text.indexOf(NEWLINE, number) + 1)
  }

  /** All that was added, and `rest` behind it. */
  end(rest = ''): Page {
    this.write(rest)
    this.spare = this.last
    this.last = new Page(this.bytes.subarray(0, this.at))
    return this.last
  }

  private write(text: string): void {
    this.reserve(text.length * UNIT_LENGTH_MAX)
    const length = this.bytes.write(text, this.at)
    this.at += length
    this.written += length
  }

  private copy(begin: number, end: number): void {
    this.reserve(end - begin)
    this.bytes.set(this.last.text.subarray(begin, end), this.at)
    this.at += end - begin
  }

  private reserve(length: number): void {
    if (this.at + length > this.bytes.length) this.move(this.at + length)
  }

  /** Goes on in new memory that has room for `length` bytes and some more. */
  private move(length: number): void {
    const { bytes, at } = this
    this.bytes = Buffer.allocUnsafeSlow(Math.ceil(length * GROWTH))
    this.bytes.set(bytes.subarray(0, at))
  }
}

/** A histogram's samples: `counts` by bucket, the last of them for what is beyond the bounds if there is one more. */
export function histogram(
  own: Record<string, string | number>,
  bounds: number[],
  counts: number[],
  sum: number,
) {
  let count = 0
  const series: string[] = []
  const values: number[] = []
  for (const [bucket, le] of [...bounds, '+Inf'].entries()) {
    count += counts[bucket] ?? 0
    series.push(`_bucket${labels({ le, ...own })}`)
    values.push(count)
  }
  series.push(`_sum${labels(own)}`, `_count${labels(own)}`)
  values.push(sum, count)
  return { series, values }
}
