/** A guest and the outside world: Bridgeport beside the kernel's masquerade and the NATs that need no kernel. */
import type { Contest } from '../compare/contest.ts'
import { bridgeport, bridgeportNic } from './bridgeport.ts'
import { connect } from './connect.ts'
import { dhcp } from './dhcp.ts'
import { kernel } from './kernel.ts'
import { pasta, pastaJumbo } from './pasta.ts'
import { rate } from './rate.ts'
import { type NatJoint, outside } from './site.ts'
import { slirp, slirpJumbo } from './slirp.ts'
import { back, inward, out } from './streams.ts'

export const nats: Contest<NatJoint> = {
  name: 'nat',
  peers: [bridgeport, bridgeportNic, kernel, slirp, slirpJumbo, pasta, pastaJumbo],
  measurements: [out, back, inward, rate, connect, dhcp],
  plots: [
    {
      name: 'nat',
      title: 'TCP through a NAT (longer is better)',
      metrics: ['out1', 'out4', 'out16', 'back1', 'back4', 'back16', 'in1', 'in4', 'in16'],
    },
    {
      name: 'connections',
      title: 'TCP connections opened and closed (longer is better)',
      metrics: ['connections'],
    },
    {
      name: 'udp',
      title: '60-byte frames through a NAT, one sending CPU (longer is better)',
      metrics: ['rate'],
    },
  ],
  target: outside,
  terms: 'MTU 1500 where none is named, a veth pair between host and outside, iperf3, wrk and nginx',
}
