/** Frames between two namespaces: Bridgeport beside other switches. */
import { bridge } from './bridge.ts'
import { bridgeport } from './bridgeport.ts'
import type { Contest } from './contest.ts'
import { duplex } from './duplex.ts'
import { addressB } from './ground.ts'
import { latency } from './latency.ts'
import { ovs } from './ovs.ts'
import { plots } from './plot.ts'
import { rate } from './rate.ts'
import { throughput } from './throughput.ts'
import { vde } from './vde.ts'

export const switches: Contest = {
  name: 'compare',
  peers: [bridgeport, bridge, ovs, vde, duplex],
  measurements: [throughput, rate, latency],
  plots,
  target: addressB,
  terms: "MTU 1500, each peer's default offloads",
}
