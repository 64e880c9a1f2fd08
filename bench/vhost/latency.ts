/**
 * Round trips A, switch, B, switch, A at a tenth and at half of what the slower switch can carry. All peers get the same load, so it has
 * to be known before the first round: each switch shows for a moment what it can do.
 */
import type { Contest } from '../compare/contest.ts'
import { Ground } from '../compare/ground.ts'
import type { Measurement } from '../compare/measurement.ts'
import type { Sample } from '../compare/metric.ts'
import { load, needs } from './load.ts'
import { reach } from './rate.ts'
import type { VhostJoint } from './site.ts'

const scoutSeconds = 1
/** Whose rates decide: the switches; the ceiling is none. */
const switches = ['bridgeport', 'ovs-dpdk']
/** A generator that sent less than this part of what it was asked for measured another load. */
const kept = 0.95

/** Millions of frames a second that the slower one carries; 0: not known. */
let carried = 0

/** What load says of echoes; microseconds. */
export interface Echoes {
  sent: number
  back: number
  median: number
  p99: number
  max: number
}

export const scout: NonNullable<Contest<VhostJoint>['prepare']> = async (peers, signal, progress) => {
  const rates: number[] = []
  for (const peer of peers.filter(({ name }) => switches.includes(name))) {
    progress(`what ${peer.title} can carry`)
    const ground = await Ground.open(signal)
    try {
      rates.push(await reach(ground, await peer.start(ground), scoutSeconds))
    } catch {
      // The rounds will say why.
    } finally {
      await ground.close()
    }
    signal.throwIfAborted()
  }
  carried = rates.length === 0 ? 0 : Math.min(...rates)
}

async function take(ground: Ground, joint: VhostJoint, seconds: number): Promise<Sample> {
  const { wire } = joint
  if (wire === undefined) return {}
  if (carried === 0) throw new Error('no switch has shown what it can carry')
  const at = async (share: number): Promise<Echoes> => {
    // Each frame passes the switch twice.
    const wanted = (carried * 1e6 * share) / 2
    const echoes = await load<Echoes>(ground, joint, wire, ['echo', wanted, seconds], seconds)
    if (echoes.sent < kept * wanted * seconds)
      throw new Error(`the generator sent ${echoes.sent} of ${Math.round(wanted * seconds)} frames`)
    if (echoes.back === 0) throw new Error('no frame came back')
    return echoes
  }
  const tenth = await at(0.1)
  const half = await at(0.5)
  return {
    echoLoad: carried,
    tenthMedian: tenth.median,
    tenthP99: tenth.p99,
    tenthLost: (100 * (tenth.sent - tenth.back)) / tenth.sent,
    halfMedian: half.median,
    halfP99: half.p99,
    halfLost: (100 * (half.sent - half.back)) / half.sent,
  }
}

export const latency: Measurement<VhostJoint> = { name: 'latency', needs, take }
