/** A moving chart of the last five minutes. uPlot draws it; colours come from the style sheet, by classes of probes. */
import uPlot from 'uplot'
import { element } from './dom.ts'
import { onTheme } from './theme.ts'

export interface Line {
  label: string
  /** a class that has the line's colour */
  colour: string
  /** below the axis: what goes out, as its negative */
  isMirrored?: boolean
}

const HEIGHT = 190
const KEPT_SECONDS = 300
/** A page that was just opened has seen little: a minute at least is shown. */
const SHOWN_SECONDS = 60

/** What a class's colour is now. */
function colourOf(place: HTMLElement, name: string): string {
  const probe = element('i', { class: name })
  place.append(probe)
  const { color } = getComputedStyle(probe)
  probe.remove()
  return color
}

export class Chart {
  readonly element: HTMLElement
  private readonly lines: Line[]
  private readonly print: (value: number) => string
  private readonly place = element('div', { class: 'plot' })
  private plot: uPlot | null = null
  private isSeen = false
  private data: uPlot.AlignedData = [[]]

  constructor(title: string, lines: Line[], print: (value: number) => string) {
    this.lines = lines
    this.print = print
    this.element = element('figure', { class: 'chart' }, element('figcaption', {}, title), this.place)
    onTheme(() => this.make())
    new ResizeObserver(() => this.resize()).observe(this.place)
    const look = new IntersectionObserver((changes) => {
      this.isSeen = changes.at(-1)?.isIntersecting ?? false
      this.draw()
    })
    look.observe(this.place)
  }

  /** Shows columns, the times and one for each line, as soon as the chart is in sight. */
  show(times: number[], values: (number | null)[][]): void {
    const mirrored = values.map((column, n) =>
      this.lines[n].isMirrored ? column.map((value) => (value === null ? null : -value)) : column,
    )
    this.data = [times, ...mirrored] as uPlot.AlignedData
    this.draw()
  }

  private draw(): void {
    if (!this.isSeen) return
    if (this.plot === null) this.make()
    else this.plot.setData(this.data)
    this.tell()
  }

  /** While nobody points at a time, the last one is told. */
  private tell(): void {
    const last = this.data[0].length - 1
    if (this.plot !== null && last >= 0 && (this.plot.cursor.left ?? -1) < 0)
      this.plot.setLegend({ idx: last })
  }

  private resize(): void {
    const width = this.place.clientWidth
    if (this.plot === null) this.make()
    else if (width > 0 && width !== this.plot.width) this.plot.setSize({ width, height: HEIGHT })
  }

  private make(): void {
    this.plot?.destroy()
    this.plot = null
    const width = this.place.clientWidth
    if (width === 0 || !this.element.isConnected) return
    this.plot = new uPlot(this.options(width), this.data, this.place)
    this.tell()
  }

  private options(width: number): uPlot.Options {
    const colour = (name: string) => colourOf(this.place, name)
    const axis = {
      stroke: colour('axis'),
      grid: { stroke: colour('grid'), width: 1 },
      ticks: { show: false },
    }
    const font = `11px ${getComputedStyle(this.place).fontFamily}`
    const print = (value: number) => this.print(Math.abs(value))
    const series = this.lines.map(({ label, colour: name }) => ({
      label,
      stroke: colour(name),
      fill: colour(`${name}-fill`),
      width: 1.5,
      points: { show: false },
      value: (_: uPlot, value: number | null) => (value === null ? '–' : print(value)),
    }))
    return {
      ...{ width, height: HEIGHT, cursor: { y: false, drag: { x: false, y: false } } },
      scales: {
        x: {
          range: (_, begin, end) => [Math.min(end - SHOWN_SECONDS, Math.max(begin, end - KEPT_SECONDS)), end],
        },
        y: { range: (_, low, high) => this.range(low ?? 0, high ?? 0) },
      },
      axes: [
        { ...axis, font, values: '{HH}:{mm}:{ss}', space: 80, size: 30 },
        { ...axis, font, size: 76, space: 36, values: (_, ticks) => ticks.map(print) },
      ],
      series: [{ label: 'time', value: '{HH}:{mm}:{ss}' }, ...series],
    }
  }

  /** Nothing happening is a line in the middle or at the bottom, not noise magnified. */
  private range(low: number, high: number): [number, number] {
    const isMirrored = this.lines.some((line) => line.isMirrored)
    const top = Math.max(high, 1) * 1.1
    return isMirrored ? [Math.min(low, -1) * 1.1, top] : [0, top]
  }
}
