/** The matrix: every cell of every row, with its proofs. */
import type { Cell, Column, Refused } from './cell.ts'
import {
  filtered,
  label,
  mutual,
  no,
  nowhere,
  out,
  published,
  refusedAt,
  silent,
  unserved,
  within,
  yes,
} from './cell.ts'
import type { Plot } from './plan.ts'
import * as plan from './plan.ts'
import { plots } from './plan.ts'
import { PUBLISHED } from './station.ts'

export interface Row {
  plot: Plot
  cells: Record<Column, Cell>
}

/** Guests that may not see each other: neither straight, nor by way of the gateway, nor through a published port. */
const isolated = { ...filtered, reason: 'isolated' }

function apart(plot: Plot, outer: string): Cell {
  const { name, number } = plot
  const ends = { from: name, at: label(plot), to: plan.process(number) }
  const detour = `ip route replace ${ends.to} via ${plan.gateway(number)}`
  const hairpin = { kinds: ['tcp' as const], port: plan.toProcess(number), lands: PUBLISHED }
  const refused = plot.hasCard ? isolated : { told: { tcp: 'Connection reset by peer' } }
  return {
    says: 'no, also not through the gateway',
    proofs: [
      no('guest → process', ends, silent('isolated'), { pinned: 'eth0' }),
      no('through the gateway', ends, isolated, { before: detour, after: undo(ends.to) }),
      no('through a published port', { ...ends, to: outer }, refused, hairpin),
    ],
  }
}

const undo = (address: string) => `ip route del ${address}; ip neigh flush dev eth0`

/** The host seen from behind a link into its stack. */
function toHost({ name, number }: Plot, seen: string): Cell {
  const ends = { from: name, at: 'host' }
  return {
    says: 'through the gateway',
    proofs: [
      yes('the host’s address', { ...ends, to: plan.HOST }, seen),
      yes('the gateway’s address', { ...ends, to: plan.gateway(number) }, seen),
    ],
  }
}

/** Behind a card the host is nobody: not at the gateway, and no router leads to it. */
function noHost({ name, number }: Plot, refused: Refused): Cell {
  const ends = { from: name, at: 'host' }
  return {
    says: 'no',
    proofs: [
      no('the host’s address', { ...ends, to: plan.HOST }, refused),
      no('the gateway’s address', { ...ends, to: plan.gateway(number) }, unserved, { kinds: ['tcp'] }),
    ],
  }
}

/** Only what is published is reached from outside, at `outer`. */
function publishedOnly(plot: Plot, outer: string, seen?: string): Cell {
  const own = outer === plan.HOST ? plan.ownEnd(plot.number) : outer
  return {
    says: 'published ports',
    proofs: [
      published(plot, 'outside', outer, seen),
      refusedAt(plot, 'outside', silent('no_route')),
      no('what is not published', { from: 'outside', at: plot.name, to: own }, silent('nat_filtered'), {
        kinds: ['tcp'],
      }),
    ],
  }
}

function nat(plot: Plot): Row {
  const seen = plan.ownEnd(plot.number)
  const hosts = [published(plot, 'host', '127.0.0.1'), published(plot, 'host', plan.HOST)]
  return {
    plot,
    cells: {
      'guest ↔ guest': plot === plots.solo ? apart(plot, plan.HOST) : mutual(plot),
      'guest → host': toHost(plot, seen),
      'host → guest': {
        says: 'published ports',
        proofs: [...hosts, refusedAt(plot, 'host', silent('no_route'))],
      },
      'guest → outside': out(plot, 'yes, translated', plan.HOST, plan.WORLD),
      'outside → guest': publishedOnly(plot, plan.HOST),
    },
  }
}

function natOnCard(plot: Plot): Row {
  const { number } = plot
  return {
    plot,
    cells: {
      'guest ↔ guest': plot === plots.cell ? apart(plot, plan.onCard(number)) : mutual(plot),
      'guest → host': noHost(plot, silent()),
      'host → guest': { says: 'no', proofs: [refusedAt(plot, 'host', silent('no_route'))] },
      'guest → outside': out(plot, 'yes, translated', plan.onCard(number), plan.behindCard(number)),
      'outside → guest': publishedOnly(plot, plan.onCard(number), plan.behindCard(number)),
    },
  }
}

function hostOnly(plot: Plot): Row {
  const { name, number } = plot
  const host = { from: name, at: 'host' }
  return {
    plot,
    cells: {
      'guest ↔ guest': mutual(plot),
      'guest → host': {
        says: 'yes',
        proofs: [plan.gateway(number), plan.HOST].map((to) =>
          yes('guest', { ...host, to }, plan.guest(number)),
        ),
      },
      'host → guest': {
        says: 'yes',
        proofs: [yes('host', { from: 'host', at: name, to: plan.guest(number) }, plan.gateway(number))],
      },
      'guest → outside': within(plot, silent()),
      'outside → guest': { says: 'no', proofs: [refusedAt(plot, 'outside', silent())] },
    },
  }
}

/** A network that ends at the switch. */
function internal(plot: Plot, refused: Refused): Row {
  const host = { from: plot.name, at: 'host', to: plan.HOST }
  const isServed = plot !== plots.bare
  return {
    plot,
    cells: {
      'guest ↔ guest': mutual(plot),
      'guest → host': isServed
        ? noHost(plot, refused)
        : { says: 'no', proofs: [no('the host’s address', host, refused)] },
      'host → guest': { says: 'no', proofs: [refusedAt(plot, 'host', silent('no_route'))] },
      'guest → outside': within(plot, refused),
      'outside → guest': { says: 'no', proofs: [refusedAt(plot, 'outside', silent('no_route'))] },
    },
  }
}

function bridged(plot: Plot): Row {
  const { name, number } = plot
  const [own, host, world] = [plan.guest(number), '10.7.0.2', plan.gateway(number)]
  const isHome = plot === plots.home
  const shut = no(
    'the host’s address, by the card’s MAC',
    { from: name, at: 'host', to: plan.HOST },
    silent(),
    {
      pinned: 'eth0',
      before: `ip route replace ${plan.HOST} dev eth0`,
    },
  )
  const closed = no('out of the card, by the guest’s MAC', { from: 'host', at: name, to: own }, silent(), {
    pinned: plan.card(number),
    before: `ip route replace ${own} dev ${plan.card(number)}`,
  })
  return {
    plot,
    cells: {
      'guest ↔ guest': mutual(plot),
      'guest → host': isHome
        ? { says: 'yes', proofs: [yes('guest', { from: name, at: 'host', to: host }, own)] }
        : { says: 'no, unless it has `host`', proofs: [shut] },
      'host → guest': isHome
        ? { says: 'yes', proofs: [yes('host', { from: 'host', at: name, to: own }, host)] }
        : { says: 'no, unless it has `host`', proofs: [closed] },
      'guest → outside': out(plot, 'yes, own address on the LAN', null, world),
      'outside → guest': {
        says: 'yes',
        proofs: [yes('world', { from: 'outside', at: name, to: own }, world)],
      },
    },
  }
}

function routed(plot: Plot): Row {
  const { name, number, hasCard } = plot
  const own = plan.guest(number)
  const world = hasCard ? plan.behindCard(number) : plan.WORLD
  const fromHost = yes('host', { from: 'host', at: name, to: own }, plan.hostEnd(number))
  return {
    plot,
    cells: {
      'guest ↔ guest': mutual(plot),
      'guest → host': hasCard ? noHost(plot, silent()) : { ...toHost(plot, own), says: 'yes' },
      'host → guest': hasCard
        ? { says: 'no', proofs: [refusedAt(plot, 'host', silent('no_route'))] }
        : { says: 'yes', proofs: [fromHost] },
      'guest → outside': out(plot, 'yes, untranslated', null, world),
      'outside → guest': {
        says: 'yes',
        proofs: [yes('world', { from: 'outside', at: name, to: own }, world)],
      },
    },
  }
}

/** As nat, but nothing is published, and the host is closed. */
function shut(plot: Plot): Row {
  const { name, number } = plot
  const { cells } = nat(plot)
  const end = { from: name, at: 'host', to: plan.hostEnd(number) }
  const { proofs } = noHost(plot, filtered)
  return {
    plot,
    cells: {
      ...cells,
      'guest → host': { says: 'no', proofs: [...proofs, no('the host’s end of the link', end, filtered)] },
      'host → guest': { says: 'no', proofs: cells['host → guest'].proofs.slice(-1) },
      'outside → guest': { says: 'no', proofs: cells['outside → guest'].proofs.slice(1) },
    },
  }
}

export const rows: Row[] = [
  nat(plots.nat),
  nat(plots.solo),
  shut(plots.shut),
  natOnCard(plots.street),
  natOnCard(plots.cell),
  internal(plots.end, nowhere),
  hostOnly(plots.lab),
  internal(plots.dark, nowhere),
  internal(plots.bare, silent()),
  bridged(plots.lan),
  bridged(plots.home),
  routed(plots.open),
  routed(plots.road),
]
