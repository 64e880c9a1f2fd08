/** What metrics show, gathered from the plant and the arena; nobody is stopped for it. */
import { setImmediate as turn } from 'node:timers/promises'
import { GUESTS } from '../../pipeline/program.ts'
import * as snapshot from '../../table/snapshot.ts'
import * as binding from '../binding.ts'
import type { RuleSamples } from '../counts.ts'
import * as flows from '../flows.ts'
import type { PoolRow } from '../lease.ts'
import * as listing from '../listing.ts'
import type { Plant } from '../plant.ts'
import type { Totals, WorkerRow } from '../rows.ts'
import type { Switch } from '../switch.ts'
import { census, type FlowTally, isLarge } from './census.ts'
import { labels } from './exposition.ts'
import type { Kept } from './kept.ts'

export interface NetworkFigures {
  name: string
  macs: number
  macCapacity: number
  /** that its gateway knows by ARP */
  neighbours: number
}

/** What a port counted, with its labels as they are written. */
export interface PortFigures extends Totals {
  name: string
  network: string
  series: string
  state: 'up' | 'waiting' | 'down'
  /** how often somebody was disconnected for what he did, by reason */
  faults: Record<string, number>
}

export interface Figures {
  networks: NetworkFigures[]
  ports: PortFigures[]
  workers: WorkerRow[]
  pools: PoolRow[]
  endpoints: binding.PoolUse[]
  flows: { rows: FlowTally[]; capacity: number; created: number; evicted: number }
  rules: RuleSamples
  captures: { active: number; frames: number; lost: number }
  flowLog: { records: number; lost: number }
  /** who look at the page or at `top` */
  viewers: number
}

function networks(plant: Plant): NetworkFigures[] {
  const { neighboursAt, neighbourCapacity } = plant.ground.memory
  const neighbours = snapshot.neighbourCounts(plant.arena, neighboursAt, neighbourCapacity)
  const nets = [...plant.nets.values()].filter(({ role }) => role === GUESTS)
  return nets.map((net) => ({
    name: net.name,
    macs: listing.macCount(plant, net),
    macCapacity: net.macCapacity,
    neighbours: neighbours.get(net.index) ?? 0,
  }))
}

function ports(plant: Plant): PortFigures[] {
  return listing.shown(plant, true).map((member) => {
    const { name } = member.spec
    const network = listing.siteOf(member.spec)
    return {
      name,
      network,
      series: labels({ port: name, network }),
      state: listing.look(member).state,
      faults: member.line?.told?.().faults ?? {},
      ...plant.totals.port(member.index),
    }
  })
}

/** Everything at about one moment but for `viewers`, which are told, and what is kept; other work may be done in between. */
export async function gather(fabric: Switch, tallies: Kept<FlowTally[]>, viewers: number): Promise<Figures> {
  const { plant } = fabric
  const source = flows.source(plant)
  const rows = await tallies.take(() => census(source), isLarge(source))
  await turn()
  return {
    networks: networks(plant),
    ports: ports(plant),
    workers: fabric.workers(),
    pools: fabric.pools(),
    endpoints: binding.uses(plant),
    flows: {
      rows,
      capacity: source.capacity,
      created: flows.created(source),
      evicted: flows.evicted(source),
    },
    rules: fabric.rulebook.samples(),
    captures: fabric.captures(),
    flowLog: fabric.flowLog,
    viewers,
  }
}
