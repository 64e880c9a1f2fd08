/** Who the gateways know by ARP: read from the arena while the dataplane runs on. */
import { neighbours } from '../table/snapshot.ts'
import * as mac from '../wire/mac.ts'
import { ipv4Text } from './address.ts'
import type { Plant } from './plant.ts'

export interface NeighbourRow {
  address: string
  /** null while nobody has answered */
  mac: string | null
  /** `<network>-uplink` for who is outside */
  network: string
  /** null while it is not known */
  port: string | null
  state: 'incomplete' | 'reachable' | 'stale' | 'probe' | 'permanent'
  /** since its last answer, and since a packet was last sent to it */
  confirmedSeconds: number
  usedSeconds: number
}

/** By state of table/neighbour.ts. */
const STATES: Record<number, NeighbourRow['state']> = {
  1: 'incomplete',
  2: 'reachable',
  3: 'stale',
  4: 'probe',
  5: 'permanent',
}

export function rows(plant: Plant): NeighbourRow[] {
  const { neighboursAt, neighbourCapacity } = plant.ground.memory
  const networks = new Map([...plant.nets.values()].map(({ index, name }) => [index, name]))
  const ports = new Map([...plant.members.values()].map(({ index, spec }) => [index, spec]))
  // The workers' clock: CLOCK_MONOTONIC in milliseconds, wrapped to int32.
  const now = Number(BigInt.asIntN(32, process.hrtime.bigint() / 1_000_000n))
  return neighbours(plant.arena, neighboursAt, neighbourCapacity, now).map((entry) => {
    const spec = ports.get(entry.port)
    return {
      address: ipv4Text(entry.address),
      mac: entry.state === 1 ? null : mac.print(entry.high, entry.low),
      network: networks.get(entry.network) ?? '',
      port: spec === undefined ? null : spec.hidden ? spec.ifname : spec.name,
      state: STATES[entry.state],
      confirmedSeconds: entry.confirmedMs / 1000,
      usedSeconds: entry.usedMs / 1000,
    }
  })
}
