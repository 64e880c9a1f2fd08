/** Guests in shared memory: Bridgeport beside OVS-DPDK and DPDK's own forwarding, and QEMU guests beside the kernel's bridge. */
import type { Contest } from '../compare/contest.ts'
import { bridge } from './bridge.ts'
import { bridgeport, bridgeportTap } from './bridgeport.ts'
import { ceiling } from './ceiling.ts'
import { guests } from './guests.ts'
import { idle } from './idle.ts'
import { latency, scout } from './latency.ts'
import { nat } from './nat.ts'
import { ovs } from './ovs.ts'
import { reserve } from './pages.ts'
import { rate } from './rate.ts'
import type { VhostJoint } from './site.ts'

export const vhost: Contest<VhostJoint> = {
  name: 'vhost',
  peers: [bridgeport, ovs, ceiling, bridge, bridgeportTap],
  // QEMU's guests come before anything is pinned: they and the worker share two cores as the kernel sees fit.
  measurements: [idle, guests, rate, nat, latency],
  plots: [
    {
      name: 'vhost',
      title: 'Frames between two vhost-user ports, one switching core (longer is better)',
      metrics: ['frames64', 'flooded64', 'frames512', 'frames1518', 'flows1024', 'flows100000'],
    },
    {
      name: 'vhost-latency',
      title: 'Round trip between two vhost-user ports (shorter is better)',
      metrics: ['tenthMedian', 'tenthP99', 'halfMedian', 'halfP99'],
    },
    {
      name: 'vhost-guests',
      title: 'TCP between two QEMU guests (longer is better)',
      metrics: ['guestTcp'],
    },
  ],
  target: null,
  usual: { rounds: 3, seconds: 1.5 },
  reserve,
  prepare: scout,
  terms:
    'the forwarding thread (worker, PMD, lcore) has core 0, both guests are one DPDK process on core 1, rings of 1,024; lengths without the check sequence; QEMU guests are not pinned',
}
