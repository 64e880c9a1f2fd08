/** What rules may cost, in nanoseconds a packet and milliseconds, judged by the figures of this run. */
export interface Figure {
  name: string
  /** nanoseconds a frame: the median call, and the best */
  median: number
  least: number
}

interface Goal {
  name: string
  bound: number
  /** the figure that is judged, of the medians by name */
  of(median: (name: string) => number): number
}

export interface Judgement {
  name: string
  figure: number
  bound: number
  met: boolean
}

const grouping = [
  'rules of prefix, protocol, port, 1 mask',
  'rules of prefix, protocol, port, 4 masks',
  'rules of port and set',
]

const goals: Goal[] = [
  ...grouping.flatMap((kind): Goal[] => [
    {
      name: `10,000 ${kind}, times what 10 cost`,
      bound: 1.5,
      of: (median) => median(`filter, 10000 ${kind}`) / median(`filter, 10 ${kind}`),
    },
    { name: `10,000 ${kind}, ns`, bound: 80, of: (median) => median(`filter, 10000 ${kind}`) },
  ]),
  {
    name: 'the usual six rules beyond conntrack, ns',
    bound: 15,
    of: (median) =>
      median('conntrack and SNAT, 1024 flows, the usual six rules') -
      median('conntrack and SNAT, 1024 flows, no rules'),
  },
]

/** `loadingMs`: what it takes to read, check and compile 10,000 rules. */
export function judge(figures: Figure[], loadingMs: number): Judgement[] {
  const median = (name: string) => {
    const figure = figures.find((each) => each.name === name)
    if (figure === undefined) throw new Error(`no figure is called '${name}'`)
    return figure.median
  }
  const judged = goals.map(({ name, bound, of }) => ({ name, bound, figure: of(median) }))
  const loading = { name: '10,000 rules read, checked and compiled, ms', bound: 1000, figure: loadingMs }
  return [...judged, loading].map((each) => ({ ...each, met: each.figure <= each.bound }))
}

export function table(judgements: Judgement[]): string {
  const rows = judgements.map(
    ({ name, figure, bound, met }) =>
      `| ${name} | ${figure.toFixed(bound < 10 ? 2 : 0)} | ≤ ${bound} | ${met ? 'met' : 'falls short'} |\n`,
  )
  return `| rules | | goal | |\n|---|--:|--:|---|\n${rows.join('')}`
}
