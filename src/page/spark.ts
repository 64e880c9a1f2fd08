/** The last minute as two small lines, in and out, on one scale. Where nothing flowed it is at rest, and costs no redrawing. */
import { drawing, mark } from './dom.ts'

export const POINTS = 60
const HEIGHT = 20
const AT_REST = `0,${HEIGHT - 1} ${POINTS - 1},${HEIGHT - 1}`

export class Spark {
  readonly element: SVGElement
  private readonly lines: SVGElement[]

  constructor() {
    this.lines = ['in', 'out'].map((side) => drawing('polyline', { class: side, points: '' }))
    const box = { viewBox: `0 0 ${POINTS - 1} ${HEIGHT}`, preserveAspectRatio: 'none', 'aria-hidden': 'true' }
    this.element = drawing('svg', { class: 'spark', ...box }, ...this.lines)
  }

  show(series: number[][]): void {
    const most = Math.max(0, ...series.flat())
    if (most === 0) {
      for (const line of this.lines) mark(line, 'points', AT_REST)
      return
    }
    const top = Math.max(1, most)
    series.forEach((values, n) => {
      const left = POINTS - values.length
      const height = (value: number) => (HEIGHT - 1 - (value / top) * (HEIGHT - 2)).toFixed(1)
      const points = values.map((value, x) => `${left + x},${height(value)}`)
      mark(this.lines[n], 'points', points.join(' '))
    })
  }
}
