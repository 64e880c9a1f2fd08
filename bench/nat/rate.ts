/** Forwarding rate of 60-byte frames through a NAT: UDP of one flow, as fast as trafgen on one CPU can send. */
import type { Ground } from '../compare/ground.ts'
import type { Measurement } from '../compare/measurement.ts'
import type { Sample } from '../compare/metric.ts'
import { flood, mac } from '../compare/rate.ts'
import { type NatJoint, sink } from './site.ts'

/** Ethernet's 60 bytes without the headers of Ethernet (14), IPv4 (20) and UDP (8). */
const payloadLength = 18
/** to RFC 863, discard */
const ports = 'sp=40000, dp=9'

interface Hop {
  gateway: string
  prefsrc: string
}

/** The frame in trafgen's language, from the guest's interface to its gateway; trafgen computes the checksums. */
async function frame(ground: Ground, joint: NatJoint): Promise<string> {
  const inside = { namespace: ground.a }
  const [hop] = JSON.parse(await ground.run('ip', ['-json', 'route', 'get', sink], inside)) as Hop[]
  // Whoever reached the outside has asked for the gateway's MAC.
  const ask = ['-json', 'neighbour', 'show', 'to', hop.gateway]
  const [neighbour] = JSON.parse(await ground.run('ip', ask, inside)) as { lladdr: string }[]
  const source = await mac(ground, 'a', joint.a)
  const ethernet = `eth(da=${neighbour.lladdr}, sa=${source}, proto=0x0800)`
  const addresses = `ipv4(saddr=${hop.prefsrc}, daddr=${sink}, ttl=64, df)`
  return `{ ${ethernet}, ${addresses}, udp(${ports}), fill(0x00, ${payloadLength}) }`
}

async function take(ground: Ground, joint: NatJoint, seconds: number): Promise<Sample> {
  return flood(ground, joint, seconds, await frame(ground, joint))
}

export const rate: Measurement<NatJoint> = { name: 'rate', needs: { trafgen: 'netsniff-ng' }, take }
