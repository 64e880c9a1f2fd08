/** Cells of the matrix: what one of them says, and the proofs of it. */

import type { Plot } from './plan.ts'
import * as plan from './plan.ts'
import type { Proof } from './proof.ts'
import type { Kind } from './station.ts'

export const columns = [
  'guest ↔ guest',
  'guest → host',
  'host → guest',
  'guest → outside',
  'outside → guest',
] as const

export type Column = (typeof columns)[number]

export interface Cell {
  says: string
  proofs: Proof[]
}

/** What the sender is told, and why the switch did not let it pass. */
export interface Refused {
  reason?: string
  told?: Partial<Record<Kind, string>>
}

export const filtered: Refused = {
  reason: 'prohibited',
  told: { tcp: 'No route to host', icmp: 'Packet filtered' },
}
/** An ICMP error that a router gives to somebody whose network ends here. */
export const nowhere: Refused = {
  reason: 'no_route',
  told: { tcp: 'Network is unreachable', icmp: 'Destination Net Unreachable' },
}
/** The gateway itself, where nobody listens. */
export const unserved: Refused = { reason: 'no_service', told: { tcp: 'Connection refused' } }
export const silent = (reason?: string): Refused => (reason === undefined ? {} : { reason })

type Ends = Pick<Proof, 'from' | 'at' | 'to'>

export const yes = (way: string, ends: Ends, seen: string, more: Partial<Proof> = {}): Proof => ({
  way,
  ...ends,
  seen,
  ...more,
})
export const no = (way: string, ends: Ends, refused: Refused, more: Partial<Proof> = {}): Proof => ({
  way,
  ...ends,
  ...refused,
  ...more,
})

export const label = ({ name }: Plot) => `${name}-p`

/** Both directions between the guest and the process. */
export function mutual(plot: Plot): Cell {
  const { name, number } = plot
  const [one, two] = [plan.guest(number), plan.process(number)]
  return {
    says: 'yes',
    proofs: [
      yes('guest → process', { from: name, at: label(plot), to: two }, one),
      yes('process → guest', { from: label(plot), at: name, to: one }, two),
    ],
  }
}

/** A port on the way in, TCP alone: pings of the address are answered by whom it belongs to. */
export function published(plot: Plot, from: string, to: string, seen = plan.gateway(plot.number)): Proof {
  const ends = { from, at: plot.name, to }
  return yes(`the published port, at ${to}`, ends, seen, { kinds: ['tcp'], port: plan.toGuest(plot.number) })
}

/** The host's or the world's way to a guest's own address. */
export function refusedAt(plot: Plot, from: string, refused: Refused): Proof {
  return no('the guest’s own address', { from, at: plot.name, to: plan.guest(plot.number) }, refused)
}

/** Out into the world from the guest and from the process, which sees `seen`, or nobody's address but their own. */
export function out(plot: Plot, says: string, seen: string | null, to: string): Cell {
  const { name, number } = plot
  return {
    says,
    proofs: [
      yes('guest', { from: name, at: 'outside', to }, seen ?? plan.guest(number)),
      yes('process', { from: label(plot), at: 'outside', to }, seen ?? plan.process(number)),
    ],
  }
}

/** No way out, and why. */
export function within(plot: Plot, refused: Refused): Cell {
  return { says: 'no', proofs: [no('guest', { from: plot.name, at: 'outside', to: plan.WORLD }, refused)] }
}
