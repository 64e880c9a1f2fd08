/** The figures that are compared: one row of the table each. */

export type Metric =
  | 'tcp1'
  | 'tcp4'
  | 'rate'
  | 'offered'
  | 'flood'
  | 'median'
  | 'p99'
  | 'gigabyteMachine'
  | 'gigabyteSwitch'
  | 'framesMachine'
  | 'framesSwitch'

/** What one round yielded; a figure that does not apply to a peer is absent. */
export type Sample = Partial<Record<Metric, number>>

export interface Row {
  title: string
  unit: string
  digits: number
}

export const rows: Record<Metric, Row> = {
  tcp1: { title: 'TCP, 1 stream', unit: 'Gbit/s', digits: 2 },
  tcp4: { title: 'TCP, 4 streams', unit: 'Gbit/s', digits: 2 },
  rate: { title: '60-byte frames received', unit: 'kpps', digits: 0 },
  offered: { title: '60-byte frames offered', unit: 'kpps', digits: 0 },
  flood: { title: 'round trip, `ping -f` average', unit: 'µs', digits: 1 },
  median: { title: 'round trip, 1,000/s, median', unit: 'µs', digits: 1 },
  p99: { title: 'round trip, 1,000/s, p99', unit: 'µs', digits: 1 },
  gigabyteMachine: { title: 'CPU per GB of TCP, whole machine', unit: 's', digits: 2 },
  gigabyteSwitch: { title: 'CPU per GB of TCP, switch', unit: 's', digits: 2 },
  framesMachine: { title: 'CPU per million frames, whole machine', unit: 's', digits: 2 },
  framesSwitch: { title: 'CPU per million frames, switch', unit: 's', digits: 2 },
}

export const metrics = Object.keys(rows) as Metric[]
