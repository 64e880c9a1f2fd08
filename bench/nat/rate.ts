/** Forwarding rate of 60-byte frames through a NAT: UDP of one flow, as fast as trafgen on one CPU can send. */
import type { Ground } from '../compare/ground.ts'
import type { Measurement } from '../compare/measurement.ts'
import type { Sample } from '../compare/metric.ts'
import { flood, mac } from '../compare/rate.ts'
import { type NatJoint, sink } from './site.ts'

/** Ethernet's 60 bytes without the headers of Ethernet (14), IPv4 (20) and UDP (8). */
const payloadLength = 18
/** RFC 863, discard */
const port = 9

export interface Flow {
  /** UDP source port */
  port: number
  /** IPv4 source; the guest's own unless given */
  source?: string
  /** frames a second; as many as go unless given */
  perSecond?: number
}

interface Hop {
  gateway: string
  prefsrc: string
}

/** The frame in trafgen's language, from the guest's interface to its gateway; trafgen computes the checksums. */
async function frame(ground: Ground, joint: NatJoint, flow: Flow): Promise<string> {
  const inside = { namespace: ground.a }
  const [hop] = JSON.parse(await ground.run('ip', ['-json', 'route', 'get', sink], inside)) as Hop[]
  // Whoever reached the outside has asked for the gateway's MAC.
  const ask = ['-json', 'neighbour', 'show', 'to', hop.gateway]
  const [neighbour] = JSON.parse(await ground.run('ip', ask, inside)) as { lladdr: string }[]
  const source = await mac(ground, 'a', joint.a)
  const ethernet = `eth(da=${neighbour.lladdr}, sa=${source}, proto=0x0800)`
  const addresses = `ipv4(saddr=${flow.source ?? hop.prefsrc}, daddr=${sink}, ttl=64, df)`
  return `{ ${ethernet}, ${addresses}, udp(sp=${flow.port}, dp=${port}), fill(0x00, ${payloadLength}) }`
}

export async function forward(ground: Ground, joint: NatJoint, seconds: number, flow: Flow) {
  return flood(ground, joint, seconds, await frame(ground, joint, flow), flow.perSecond)
}

async function take(ground: Ground, joint: NatJoint, seconds: number): Promise<Sample> {
  return forward(ground, joint, seconds, { port: 40_000 })
}

export const rate: Measurement<NatJoint> = { name: 'rate', needs: { trafgen: 'netsniff-ng' }, take }
