/**
 * The harness: rounds in which every peer takes its turn on fresh ground, so that a slow minute of the machine hits all alike.
 *
 * Each round begins with the next peer: nobody is always first after the pause or always behind the same neighbour.
 */
import { Ground } from './ground.ts'
import type { Measurement } from './measurement.ts'
import type { Sample } from './metric.ts'
import type { Joint, Peer } from './peer.ts'
import type { Outcome } from './summary.ts'

export interface Plan<J extends Joint = Joint> {
  peers: Peer<J>[]
  measurements: Measurement<J>[]
  /** what namespace a has to reach before anything is measured */
  target: string | null
  rounds: number
  /** length of each measurement */
  seconds: number
}

/** Told what begins; for a terminal. */
export type Progress = (text: string) => void

/** Runs a plan. A peer that fails yields its reason and the others go on; only `signal` ends the run, by throwing. */
export async function compare<J extends Joint>(
  plan: Plan<J>,
  signal: AbortSignal,
  progress: Progress,
): Promise<Outcome[]> {
  const outcomes: Outcome[] = []
  for (let round = 0; round < plan.rounds; round++) {
    const first = round % plan.peers.length
    const order = [...plan.peers.slice(first), ...plan.peers.slice(0, first)]
    for (const peer of order) {
      const say = (text: string) => progress(`round ${round + 1} of ${plan.rounds}: ${peer.title}: ${text}`)
      outcomes.push(await turn(peer, round, plan, signal, say))
      signal.throwIfAborted()
    }
  }
  return outcomes
}

async function turn<J extends Joint>(
  peer: Peer<J>,
  round: number,
  plan: Plan<J>,
  signal: AbortSignal,
  say: Progress,
): Promise<Outcome> {
  const sample: Sample = {}
  const failures: string[] = []
  say('start')
  const ground = await Ground.open(signal)
  try {
    const joint = await peer.start(ground)
    if (plan.target !== null) await ground.reach(plan.target)
    for (const measurement of plan.measurements) {
      say(measurement.name)
      try {
        Object.assign(sample, await measurement.take(ground, joint, plan.seconds))
      } catch (error) {
        failures.push(`${measurement.name}: ${(error as Error).message}`)
      }
    }
  } catch (error) {
    failures.push(`start: ${(error as Error).message}`)
  } finally {
    await ground.close()
  }
  return { peer: peer.name, round, sample, failures }
}
