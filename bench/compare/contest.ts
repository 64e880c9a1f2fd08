/** A contest: who is compared, in what, and how the outcome is shown. */
import type { Measurement } from './measurement.ts'
import type { Joint, Peer } from './peer.ts'
import type { Plot } from './plot.ts'
import type { Progress } from './run.ts'

export interface Contest<J extends Joint = Joint> {
  /** what the JSON file is called */
  name: string
  peers: Peer<J>[]
  measurements: Measurement<J>[]
  plots: Plot[]
  /** what namespace a has to reach before anything is measured; null where no kernel stack takes part */
  target: string | null
  /** Takes from the machine what all peers need; returns what gives it back. */
  reserve?(): () => void
  /** Finds out what the measurements have to know of all peers; runs once, before the first round. */
  prepare?(peers: Peer<J>[], signal: AbortSignal, progress: Progress): Promise<void>
  /** rounds, and seconds of each measurement, where nothing else is asked for */
  usual?: { rounds: number; seconds: number }
  /** conditions that all peers share */
  terms: string
}
