/** The last minute as two small lines, in and out, on one scale. */
import { drawing, mark } from './dom.ts'

export const POINTS = 60
const HEIGHT = 20

export class Spark {
  readonly element: SVGElement
  private readonly lines: SVGElement[]

  constructor() {
    this.lines = ['in', 'out'].map((side) => drawing('polyline', { class: side, points: '' }))
    const box = { viewBox: `0 0 ${POINTS - 1} ${HEIGHT}`, preserveAspectRatio: 'none', 'aria-hidden': 'true' }
    this.element = drawing('svg', { class: 'spark', ...box }, ...this.lines)
  }

  show(series: number[][]): void {
    const top = Math.max(1, ...series.flat())
    series.forEach((values, n) => {
      const left = POINTS - values.length
      const height = (value: number) => (HEIGHT - 1 - (value / top) * (HEIGHT - 2)).toFixed(1)
      const points = values.map((value, x) => `${left + x},${height(value)}`)
      mark(this.lines[n], 'points', points.join(' '))
    })
  }
}
