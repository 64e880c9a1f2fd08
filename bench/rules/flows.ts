/** What is sent: 60-byte UDP frames of flows under way, or each of a flow of its own. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Ground } from '../compare/ground.ts'
import { mac } from '../compare/rate.ts'
import { far, load, type Side } from './site.ts'
import { ports } from './text.ts'

/** Ethernet's 60 bytes without the headers of Ethernet (14), IPv4 (20) and UDP (8). */
const payloadLength = 18
/** Flows under way, told apart by the source port. */
const count = 1024
const firstPort = 20_000

/** The frame in trafgen's language, from one side to the other by way of the router; trafgen computes the checksums. */
async function frame(ground: Ground, from: Side, to: Side, udp: string): Promise<string> {
  // Whoever reached the other side has asked for the router's MAC.
  const ask = ['-json', 'neighbour', 'show', 'to', from.gateway]
  const answer = await ground.run('ip', ask, { namespace: ground[from.end] })
  const [neighbour] = JSON.parse(answer) as { lladdr: string }[]
  const source = await mac(ground, from.end, from.ifname)
  const ethernet = `eth(da=${neighbour.lladdr}, sa=${source}, proto=0x0800)`
  const addresses = `ipv4(saddr=${from.address}, daddr=${to.address}, ttl=64, df)`
  return `{ ${ethernet}, ${addresses}, udp(${udp}), fill(0x00, ${payloadLength}) }`
}

async function each(ground: Ground, from: Side, to: Side, udp: (port: number) => string): Promise<string> {
  const text = await frame(ground, from, to, 'PORTS')
  return Array.from({ length: count }, (_, n) => text.replace('PORTS', udp(firstPort + n))).join('\n')
}

async function once(ground: Ground, from: Side, frames: string): Promise<void> {
  const file = join(ground.folder, 'once.cfg')
  writeFileSync(file, `${frames}\n`)
  // So slow that none is lost on the way: each flow has to be answered.
  const options = ['--dev', from.ifname, '--conf', file, '--num', String(count), '--rate', '20000pps']
  const quiet = ['--cpus', '1', '--no-sock-mem', '--no-cpu-stats']
  await ground.run('trafgen', [...options, ...quiet], { namespace: ground[from.end] })
}

/** Frames of flows that were answered: the router knows them as established. */
export async function established(ground: Ground): Promise<string> {
  const there = await each(ground, load, far, (port) => `sp=${port}, dp=${ports.first}`)
  const back = await each(ground, far, load, (port) => `sp=${ports.first}, dp=${port}`)
  await once(ground, load, there)
  await once(ground, far, back)
  return there
}

/** Frames whose ports are drawn anew each time: a quarter of a thousand million flows. */
export function fresh(ground: Ground): Promise<string> {
  return frame(ground, load, far, `sp=drnd(1024, 65535), dp=drnd(${ports.first}, ${ports.last})`)
}
