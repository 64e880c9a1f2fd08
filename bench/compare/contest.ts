/** A contest: who is compared, in what, and how the outcome is shown. */
import type { Measurement } from './measurement.ts'
import type { Joint, Peer } from './peer.ts'
import type { Plot } from './plot.ts'

export interface Contest<J extends Joint = Joint> {
  /** what the JSON file is called */
  name: string
  peers: Peer<J>[]
  measurements: Measurement<J>[]
  plots: Plot[]
  /** what namespace a has to reach before anything is measured */
  target: string
  /** rounds, and seconds of each measurement, where nothing else is asked for */
  usual?: { rounds: number; seconds: number }
  /** conditions that all peers share */
  terms: string
}
