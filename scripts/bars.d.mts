export interface Bar {
  name: string
  value: number
  /** what stands right of the bar */
  figure: string
  /** ours, in its colour */
  isOwn: boolean
  /** least and most, as a thin line */
  range?: [number, number]
}

export interface Chart {
  title: string
  /** pixels */
  width: number
  /** `largest` is as long as a bar may be */
  groups: { heading: string; largest: number; bars: Bar[] }[]
  /** a line of small print */
  foot?: string
}

export function svg(chart: Chart): string
