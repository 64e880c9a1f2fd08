/** A router with rules: Bridgeport beside the kernel's iptables, and nftables' translation of the same text. */
import type { Contest } from '../compare/contest.ts'
import { bridgeport } from './bridgeport.ts'
import { legacy, nft } from './kernel.ts'
import { first, rate } from './rate.ts'
import { replace } from './replace.ts'
import { far, type RulesJoint } from './site.ts'
import { usual } from './usual.ts'

export const rules: Contest<RulesJoint> = {
  name: 'rules',
  peers: [bridgeport, legacy, nft],
  // The first measurement begins with a router that never had rules.
  measurements: [usual, rate, first, replace],
  plots: [
    {
      name: 'rules',
      title: '60-byte frames past rules, 1,024 connections under way (longer is better)',
      metrics: ['rules0', 'rules10', 'rules100', 'rules1000', 'rules10000', 'wide1000', 'wide10000'],
    },
    {
      name: 'rules-first',
      title: '60-byte frames past rules, each the first of its flow (longer is better)',
      metrics: ['fresh0', 'fresh1000', 'fresh10000'],
    },
    {
      name: 'rules-replaced',
      title: '10,000 rules replaced under load (shorter is better)',
      metrics: ['roundTrip', 'roundTripReplacing', 'restoreLongest'],
    },
  ],
  target: far.address,
  usual: { rounds: 3, seconds: 1.5 },
  terms:
    'MTU 1500, TAPs or veth pairs; rules of destination prefix (parts of 10.78.0.0/16 under four masks), UDP and port, the last accepts',
}
